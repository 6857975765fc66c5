// Live updates: eight tabs of one browser over HTTP/1.1, a pause, a cut connection, a hidden tab, a session that ends.
import assert from 'node:assert/strict';
import net from 'node:net';
import { once } from 'node:events';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { APP, browser, demo, signIn, visitor } from './lib.mjs';

let world, chrome, wire;
before(async () => { chrome = await browser(); });
beforeEach(async () => { world = await demo(); wire = await cable(world); });
afterEach(async () => { await wire?.close(); await world?.stop(); });
after(() => chrome?.close());

/** A wire between browser and site that can be cut. It notes the head of each request. */
async function cable({ url }) {
  const { hostname, port } = new URL(url);
  const ends = new Set(), heads = [];
  let whole = true;
  const server = net.createServer((client) => {
    if (!whole) { client.destroy(); return; }
    const site = net.connect(Number(port), hostname);
    for (const end of [client, site]) { ends.add(end); end.on('error', () => {}); end.on('close', () => { ends.delete(end); client.destroy(); site.destroy(); }); }
    client.on('data', (bytes) => heads.push(bytes.toString('latin1')));
    client.pipe(site);
    site.pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    heads,
    cut() { whole = false; for (const end of ends) end.destroy(); },
    mend() { whole = true; },
    async close() { this.cut(); server.close(); },
  };
}

/** A change that is over within seconds, as news for whoever looks. */
async function raise(desired, base) {
  const { body } = await world.api('POST', `/api/v1/apps/${APP}/environments/staging/changes`, { kind: 'capacity', desired, base });
  assert.ok(body.number, JSON.stringify(body));
  return body.number;
}
const two = { min: 2, desired: 2, max: 4 };
const through = () => ({ ...world, url: wire.url });
const live = (page) => page.waitForFunction(() => document.body.classList.contains('live'));

test('eight tabs share one stream, and each answers a click', async () => {
  const { context, seen } = await visitor(chrome);
  const tabs = [await context.newPage()];
  await signIn(tabs[0], world, 'dan');
  while (tabs.length < 8) tabs.push(await context.newPage());
  for (const tab of tabs) { await tab.goto(`${world.url}/apps/${APP}/staging`); await live(tab); }
  const open = (await Promise.all(tabs.map((tab) => tab.evaluate(() => performance.getEntriesByType('resource').filter((e) => e.name.includes('/live')).length))))
    .reduce((a, b) => a + b, 0);
  const number = await raise(3, two);
  for (const tab of tabs) await tab.getByRole('link', { name: new RegExp(`^#${number} `) }).first().waitFor();
  assert.ok(open <= 1, `${open} streams ended before; one is open`);
  const streams = seen.requests.filter((r) => r.url.includes('/live') && r.at > seen.requests.findLast((q) => q.type === 'document').at);
  assert.ok(streams.length <= 1, `${streams.length} streams were opened by the last tab`);
  // With six connections for the whole browser, an eighth tab with a stream of its own would hang here.
  for (const tab of tabs) { await tab.getByRole('link', { name: 'Help', exact: true }).click(); await tab.getByRole('heading', { name: 'Help and words' }).waitFor(); }
  await context.close();
});

test('the tab that holds the stream is closed, and another takes it over', async () => {
  const { context } = await visitor(chrome);
  const first = await context.newPage();
  await signIn(first, world, 'dan');
  const second = await context.newPage();
  for (const tab of [first, second]) { await tab.goto(`${world.url}/apps/${APP}/staging`); await live(tab); }
  await first.close();
  const number = await raise(3, two);
  await second.getByRole('link', { name: new RegExp(`^#${number} `) }).first().waitFor();
  await context.close();
});

test('paused, a page stands still; going on, it catches up; typed text and open details stay', async () => {
  const { context } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'dan');
  await page.goto(`${world.url}/apps/${APP}/staging`);
  await page.getByText('Show the fleet as a table').click();
  await page.getByRole('button', { name: 'Pause live updates' }).click();
  const number = await raise(3, two);
  await world.settled(number);
  const link = page.getByRole('link', { name: new RegExp(`^#${number} `) }).first();
  // Another tab of the browser hears it; this one, paused, does not show it.
  const other = await context.newPage();
  await other.goto(`${world.url}/apps/${APP}/staging`);
  await other.getByRole('link', { name: new RegExp(`^#${number} `) }).first().waitFor();
  assert.equal(await link.count(), 0, 'a paused page stands still');
  await page.getByRole('button', { name: /Go on/ }).click();
  await link.waitFor();
  assert.ok(await page.locator('details').filter({ hasText: 'Show the fleet as a table' }).first().evaluate((e) => e.open), 'what was opened stays open');
  await context.close();
});

test('a cut connection is said, and taken up again where it was', async () => {
  const { context } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, through(), 'dan');
  await page.goto(`${wire.url}/apps/${APP}/staging`);
  await live(page);
  const before = await raise(3, two);
  await page.getByRole('link', { name: new RegExp(`^#${before} `) }).first().waitFor();
  await world.settled(before);
  wire.cut();
  await page.getByText('Live updates lost.').waitFor();
  assert.match(await page.locator('#lost').innerText(), /shows \d\d:\d\d:\d\d|could not be reached/);
  const number = await raise(4, { ...two, desired: 3 });
  await world.settled(number);
  const cutAt = wire.heads.length;
  wire.mend();
  await page.getByRole('link', { name: new RegExp(`^#${number} `) }).first().waitFor();
  await page.locator('#lost').waitFor({ state: 'hidden' });
  const again = wire.heads.slice(cutAt).find((h) => h.startsWith('GET /live'));
  const id = Number(/^last-event-id: (\d+)/im.exec(again)?.[1] ?? /since=(\d+)/.exec(again)?.[1]);
  assert.ok(id > 0, `it says what it heard last: ${again?.split('\r\n')[0]}`);
  await context.close();
});

test('a session that ends leads to the sign-in, and back', async () => {
  const { context } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'dan');
  await page.goto(`${world.url}/apps/${APP}/staging`);
  await live(page);
  const elsewhere = await visitor(chrome);
  const other = await elsewhere.context.newPage();
  await signIn(other, world, 'dan');
  await other.goto(`${world.url}/me`);
  await other.getByRole('button', { name: 'End all others' }).click();
  await other.getByText('All your other sessions have ended.').waitFor();
  // The stream itself says it is over: nobody touched this page.
  await page.getByText('Your session has ended').waitFor();
  await page.getByLabel('Name').fill('dan');
  await page.getByLabel('Password').fill(world.people.dan);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${world.url}/apps/${APP}/staging`);
  await context.close();
  await elsewhere.context.close();
});
