// The four pictures of the README: node tests/browser/readme.mjs DIRECTORY. Called by scripts/screenshots.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { APP, browser, demo, signIn, visitor } from './lib.mjs';

const [directory = 'docs/shots'] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });
const world = await demo({ speed: 20 });
const chrome = await browser();
const shot = (page, name) => page.screenshot({ path: path.join(directory, name) });
const open = async (person, options) => {
  const { context } = await visitor(chrome, { viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  await signIn(page, world, person);
  return page;
};
try {
  const { body: release } = await world.api('POST', `/api/v1/apps/${APP}/releases`, { tag: 'v5', notes: 'Search, and a quieter log.' });
  const ask = async (env, body) => (await world.api('POST', `/api/v1/apps/${APP}/environments/${env}/changes`, { kind: 'deploy', release: release.number, ...body })).body;
  const rolling = await ask('staging', { reason: 'For the testers.' });
  const waiting = await ask('production', { reason: 'Ran in staging since Monday.' });

  // A deployment while new instances warm up beside the old ones.
  const dan = await open('dan');
  await dan.goto(`${world.url}/deployments/${rolling.number}`);
  await dan.locator('#counts').getByText('warming up').waitFor();
  await shot(dan, 'deployment.png');
  const pia = await open('pia');
  await pia.goto(world.url + '/');
  await pia.getByRole('link', { name: `Review #${waiting.number}` }).first().waitFor();
  await shot(pia, 'board.png');
  const night = await open('pia', { colorScheme: 'dark' });
  await night.goto(`${world.url}/approvals/${waiting.number}`);
  await shot(night, 'approval.png');
  const capacity = await open('dan');
  await capacity.goto(`${world.url}/apps/${APP}/production/capacity?max=12&desired=4`);
  await shot(capacity, 'capacity.png');
} finally {
  await chrome.close();
  await world.stop();
}
