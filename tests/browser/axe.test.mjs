// axe-core on every page, light and dark, 360 and 1280 px wide: no violation of any rule. The pages are checked against the
// product's own route table.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { APP, binary, browser, demo, signIn, visitor } from './lib.mjs';
import { furnish, pages } from './pages.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let world, chrome, known;
before(async () => { world = await demo(); chrome = await browser(); known = await furnish(world); });
after(async () => { await chrome?.close(); await world?.stop(); });

/** Checks what a page shows now, in both themes and widths. */
async function check(page, name) {
  await page.evaluate(axe);
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 900 });
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      // A theme changes colours and nothing else: what does not look at colours is asked once for each width.
      const only = colorScheme === 'dark' ? ['color-contrast', 'link-in-text-block'] : null;
      const found = await page.evaluate(async (rules) => {
        const options = { resultTypes: ['violations'], ...(rules && { runOnly: { type: 'rule', values: rules } }) };
        const { violations, passes } = await window.axe.run(document, options);
        return { rules: passes.length, violations: violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).slice(0, 3).join(' ')}`) };
      }, only);
      assert.ok(found.rules > (only ? 0 : 10), `axe looked at ${name}`);
      assert.deepEqual(found.violations, [], `${name}, ${width} px, ${colorScheme}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(overflow <= 0, `${name} is ${overflow} px too wide for ${width} px`);
    }
  }
}

test('every page of the route table is on the list', () => {
  const routes = execFileSync(binary, ['routes'], { encoding: 'utf8' }).split('\n').map((l) => l.split(/\s+/)).filter(([m]) => m === 'GET').map(([, p]) => p);
  const wanted = routes.filter((p) => !p.startsWith('/api') && p !== '/live').sort();
  const listed = [...new Set(pages(known).map(([route]) => route).filter((r) => r.startsWith('/')))].sort();
  assert.deepEqual(listed, wanted);
});

test('no violation on any page', async (t) => {
  const list = pages(known);
  for (const person of new Set(list.map(([, , p]) => p))) {
    const { context, seen } = await visitor(chrome);
    const page = await context.newPage();
    if (person) await signIn(page, world, person);
    for (const [, address] of list.filter(([, , p]) => p === person)) {
      await t.test(`${address} for ${person ?? 'nobody'}`, async () => {
        await page.goto(world.url + address);
        await check(page, address);
      });
    }
    assert.deepEqual([seen.violations, seen.errors], [[], []]);
    await context.close();
  }
});

test('no violation where a page answers: a plan, a look at a role, a made link and token, an error', async () => {
  const { context, seen } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'dan');
  await page.goto(`${world.url}/apps/${APP}/staging/deploy`);
  await page.getByRole('button', { name: 'Review the deployment' }).click();
  await page.getByRole('heading', { name: 'Steps' }).waitFor();
  await check(page, 'the plan');
  await page.goto(`${world.url}/apps/${APP}/production/capacity`);
  await page.getByRole('textbox', { name: /^Maximum/ }).fill('999');
  await page.getByRole('button', { name: 'Apply capacity' }).click();
  await page.locator('#wrong').waitFor();
  await check(page, 'capacity with an error');
  const staging = `/api/v1/apps/${APP}/environments/staging`;
  await page.goto(`${world.url}/apps/${APP}/staging/capacity`);
  const { min, desired, max } = (await world.api('GET', staging)).body.capacity;
  const { body: beside } = await world.api('POST', `${staging}/changes`, { kind: 'capacity', desired: desired + 1, base: { min, desired, max } });
  await world.settled(beside.number);
  await page.getByRole('textbox', { name: /^Desired/ }).fill('4');
  await page.getByRole('button', { name: 'Apply capacity' }).click();
  await page.getByRole('button', { name: 'Set desired 4 anyway' }).waitFor();
  await check(page, 'capacity with a figure that moved');
  await page.goto(`${world.url}/apps/${APP}/staging/deploy`);
  await page.getByText('Every setting, one by one').click();
  await check(page, 'every setting of a deployment');
  await context.clearCookies();
  await signIn(page, world, 'ada');
  await page.goto(`${world.url}/apps/${APP}/adopt`);
  await page.getByRole('button', { name: 'Look there' }).click();
  await page.getByRole('heading', { name: '2. Which group' }).waitFor();
  await check(page, 'the look at a role');
  await page.goto(`${world.url}/admin/people`);
  await page.getByLabel(/^Name/).fill('nora');
  await page.getByRole('button', { name: 'Add the person' }).click();
  const link = (await page.locator('#link').innerText()).trim();
  await check(page, 'a made link');
  await page.goto(`${world.url}/admin/tokens`);
  await page.getByLabel(/^Name/).fill('night');
  await page.getByRole('checkbox', { name: `${APP}/staging` }).check();
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.locator('#secret').waitFor();
  await check(page, 'a made token');
  await page.goto(`${world.url}/audit`);
  await page.getByRole('button', { name: 'Recompute the chain' }).click();
  await page.getByRole('heading', { name: 'The chain holds' }).waitFor();
  await check(page, 'the recomputed chain');
  await context.clearCookies();
  await page.goto(link);
  await check(page, 'the choice of a password');
  assert.deepEqual([seen.violations, seen.errors], [[], []]);
});

test('no violation while a deployment rolls', async () => {
  const { context } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'dan');
  const { body } = await world.api('POST', `/api/v1/apps/${APP}/environments/staging/changes`, { kind: 'deploy', release: known.release });
  await page.goto(`${world.url}/deployments/${body.number}`);
  await page.locator('.bandpic').waitFor();
  await page.getByRole('button', { name: 'Pause live updates' }).click();
  await check(page, 'a rolling deployment');
  await page.goto(world.url + '/');
  await check(page, 'the board while it rolls');
  await page.goto(`${world.url}/deployments/${body.number}/cancel?mode=undo`);
  await check(page, 'undoing');
});
