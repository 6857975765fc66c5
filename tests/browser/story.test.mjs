// The purpose of the pages, told by a deployer and an approver: push to production, approve, watch it go live, go back in two clicks,
// change capacity, read it in the audit.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { APP, browser, demo, signIn, visitor } from './lib.mjs';

let world, chrome;
before(async () => { chrome = await browser(); });
beforeEach(async () => { world = await demo({ speed: 150 }); });
afterEach(() => world?.stop());
after(() => chrome?.close());

/** Follows a page of a change to its end: live, or by its Refresh link where nothing else can renew it. */
async function end(page, word, live) {
  const state = page.locator('#state').getByText(word, { exact: true });
  if (live) return state.waitFor();
  const limit = Date.now() + 120_000;
  while (!(await state.isVisible())) {
    assert.ok(Date.now() < limit, `no ${word}: ${await page.locator('#state').innerText()}`);
    await page.getByRole('link', { name: 'Refresh', exact: true }).first().click();
    await page.waitForLoadState();
  }
}

/** Messages of the page's event stream, as the browser got them. */
async function messages(context, page) {
  const heard = [];
  const tools = await context.newCDPSession(page);
  await tools.send('Network.enable');
  const waiting = [];
  tools.on('Network.eventSourceMessageReceived', (m) => {
    heard.push(m.eventName);
    for (const w of waiting.splice(0)) w.name === m.eventName ? w.done() : waiting.push(w);
  });
  heard.next = (name) => new Promise((done) => waiting.push({ name, done }));
  return heard;
}

async function story({ live }) {
  const options = { javaScriptEnabled: live };
  const deployer = await visitor(chrome, options), approver = await visitor(chrome, options);
  const page = await deployer.context.newPage(), other = await approver.context.newPage();
  const heard = live ? await messages(deployer.context, page) : [];
  await signIn(page, world, 'dan');
  await signIn(other, world, 'pia');

  // Four clicks: environment, deploy, review, request.
  await page.getByRole('region', { name: APP }).getByRole('link', { name: /production/ }).click();
  await page.getByRole('link', { name: 'Deploy a release' }).click();
  const image = page.getByRole('radio', { name: /v5/ });
  assert.ok(await image.isChecked(), 'the newest image that does not run is preselected');
  await page.getByLabel('Reason').fill('Faster search.');
  await page.getByRole('button', { name: 'Review the deployment' }).click();
  await page.getByRole('heading', { name: 'Steps' }).waitFor();
  await page.getByRole('button', { name: 'Request approval' }).click();
  await page.waitForURL(/\/deployments\/\d+$/);
  const number = Number(page.url().split('/').pop());
  await page.locator('#state').getByText('Waits for approval').waitFor();
  if (live) await page.waitForFunction(() => document.body.classList.contains('live'));
  const asked = Date.now();

  // Two clicks: review, approve.
  if (!live) await other.reload();
  await other.getByRole('link', { name: `Review #${number}` }).first().click();
  await other.getByText('Faster search.').waitFor();
  await other.getByRole('button', { name: `Approve #${number}` }).click();
  await other.waitForURL(new RegExp(`/deployments/${number}$`));

  let loads = 0;
  page.on('framenavigated', () => { loads += 1; });
  await end(page, 'Succeeded', live);
  if (live) {
    assert.equal(loads, 0, 'the page was never loaded again');
    const made = deployer.seen.requests;
    const opened = made.findLastIndex((r) => r.type === 'document');
    const streams = made.slice(opened).filter((r) => r.url.includes('/live'));
    assert.equal(streams.length, 1, `one stream: ${streams.map((r) => r.url)}`);
    const gets = made.filter((r) => r.at >= asked && r.url.startsWith(world.url) && !r.url.includes('/live')
      // A debug build lets nothing be kept, so a morphed icon asks for its sprite again.
      && !r.url.includes('/static/'));
    const news = heard.filter((name) => name === 'news').length;
    assert.ok(gets.every((r) => r.by === 'htmx' && r.url.endsWith(`/deployments/${number}`)), `only this block: ${gets.map((r) => r.url)}`);
    assert.ok(gets.length >= 3 && gets.length <= news, `${gets.length} fetches for ${news} pieces of news: each has its cause`);
    // And where nothing happens nothing is asked: from one beat of the stream to the second after it, on a change that has ended.
    await heard.next('beat');
    const from = made.length;
    await heard.next('beat');
    await heard.next('beat');
    assert.deepEqual(made.slice(from).map((r) => r.url), [], 'nothing is asked periodically');
  }
  const change = (await world.api('GET', `/api/v1/changes/${number}`)).body;
  assert.deepEqual([change.state, change.env, change.release], ['succeeded', 'production', 5]);

  // Back in two clicks.
  await page.getByRole('link', { name: /Roll back to v4/ }).click();
  await page.getByRole('button', { name: /Roll back to v4/ }).click();
  await page.waitForURL((u) => /\/deployments\/\d+$/.test(u.pathname) && !u.pathname.endsWith(`/${number}`));
  await end(page, 'Succeeded', live);
  const back = (await world.api('GET', `/api/v1/changes/${page.url().split('/').pop()}`)).body;
  assert.deepEqual([back.kind, back.state, back.release, back.rollback_of], ['rollback', 'succeeded', 4, number]);
  assert.deepEqual(back.approvals, [], 'going back needs nobody');

  // Capacity: three clicks.
  await page.goto(`${world.url}/apps/${APP}/staging`);
  await page.getByRole('link', { name: 'Change capacity' }).first().click();
  await page.getByRole('textbox', { name: /^Desired/ }).fill('3');
  if (live) await page.locator('#preview').getByText('Then 2 / 3 / 4').waitFor();
  await page.getByRole('button', { name: 'Apply capacity' }).click();
  await page.waitForURL(/\/deployments\/\d+$/);
  await end(page, 'Succeeded', live);

  // And all of it stands in the audit.
  await page.getByRole('link', { name: 'Audit', exact: true }).first().click();
  await page.getByLabel('Change', { exact: true }).fill(String(number));
  await page.getByRole('button', { name: 'Filter' }).click();
  await page.waitForURL(/change=/);
  const rows = await page.getByRole('row').allInnerTexts();
  const has = (...words) => assert.ok(rows.some((r) => words.every((w) => r.includes(w))), `${words} in\n${rows.join('\n')}`);
  has('dan', 'Asked to deploy', 'Faster search.');
  has('pia', 'Approved');
  has('fleetgate', 'AWS StartInstanceRefresh', 'Intended');
  has('fleetgate', 'AWS StartInstanceRefresh', 'Done');
  has('fleetgate', 'Ended: succeeded');
  await page.getByRole('link', { name: /entry \d+/ }).last().click();
  await page.getByRole('heading', { name: 'Before and after' }).waitFor();
  for (const { seen } of [deployer, approver]) assert.deepEqual([seen.violations, seen.errors], [[], []]);
  await deployer.context.close();
  await approver.context.close();
}

test('live, with JavaScript', () => story({ live: true }));
test('the same with JavaScript off', () => story({ live: false }));
