// What a browser makes of a refused form: focus on the summary, the link into the field, one sending of a double click.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP, browser, demo, signIn, visitor } from './lib.mjs';

let world, chrome;
before(async () => { world = await demo(); chrome = await browser(); });
after(async () => { await chrome?.close(); await world?.stop(); });

for (const javaScriptEnabled of [true, false]) {
  test(`a refused form, with JavaScript ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { context, seen } = await visitor(chrome, { javaScriptEnabled });
    const page = await context.newPage();
    await signIn(page, world, 'dan');
    await page.goto(`${world.url}/apps/${APP}/production/capacity`);
    await page.getByRole('textbox', { name: /^Maximum/ }).fill('999');
    await page.getByLabel(/^Reason/).fill('A sale.');
    const [answer] = await Promise.all([page.waitForResponse((r) => r.request().method() === 'POST'), page.getByRole('button', { name: 'Apply capacity' }).click()]);
    assert.equal(answer.status(), 422);
    await page.locator('#wrong').waitFor();
    assert.match(await page.title(), /^Error: /);
    if (javaScriptEnabled) assert.equal(await page.evaluate(() => document.activeElement.id), 'wrong', 'the summary has the focus');
    assert.equal(await page.getByLabel(/^Reason/).inputValue(), 'A sale.');
    await page.locator('#wrong').getByRole('link', { name: /at most 12/ }).click();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type('11');
    assert.equal(await page.getByRole('textbox', { name: /^Maximum/ }).inputValue(), '11', 'the link leads into the field');
    assert.deepEqual([seen.violations, seen.errors], [[], []]);
    await context.close();
  });
}

// Ana and Ben of scenario 2: what moved while her form lay open is shown beside what she typed, and one click settles it.
for (const [javaScriptEnabled, moved, button, leads, desired] of [[true, 3, 'Keep 3', /\/staging$/, 3], [false, 2, 'Set desired 4 anyway', /\/deployments\/\d+$/, 4]]) {
  test(`a figure that moved meanwhile, with JavaScript ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const { context, seen } = await visitor(chrome, { javaScriptEnabled });
    const page = await context.newPage();
    await signIn(page, world, 'dan');
    const now = async () => (({ min, desired, max }) => ({ min, desired, max }))((await world.api('GET', `/api/v1/apps/${APP}/environments/staging`)).body.capacity);
    const base = await now();
    await page.goto(`${world.url}/apps/${APP}/staging/capacity`);
    const { body } = await world.api('POST', `/api/v1/apps/${APP}/environments/staging/changes`, { kind: 'capacity', desired: moved, base });
    await world.settled(body.number);
    await page.getByRole('textbox', { name: /^Desired/ }).fill('4');
    await page.getByRole('button', { name: 'Apply capacity' }).click();
    await page.locator('#wrong').waitFor();
    assert.match(await page.title(), /^Error: /);
    if (javaScriptEnabled) assert.equal(await page.evaluate(() => document.activeElement.id), 'wrong', 'the choice has the focus');
    assert.deepEqual(await page.locator('#wrong').getByRole('row').last().getByRole('cell').allInnerTexts(), [String(base.desired), String(moved), '4']);
    const sent = seen.requests.length;
    await page.getByRole('button', { name: button }).click();
    await page.waitForURL(leads);
    assert.equal(seen.requests.slice(sent).filter((r) => r.method === 'POST').length, 1, 'one click, one request');
    if (/deployments/.test(page.url())) await world.settled(page.url().split('/').pop());
    assert.equal((await now()).desired, desired);
    assert.deepEqual([seen.violations, seen.errors], [[], []]);
    await context.close();
  });
}

test('what is suspended while it rolls is chosen, reviewed, and still chosen when something is changed', async () => {
  const { context, seen } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'dan');
  await page.goto(`${world.url}/apps/${APP}/production/deploy`);
  await page.getByText('Every setting, one by one').click();
  await page.getByRole('checkbox', { name: /^AZRebalance/ }).check();
  await page.getByRole('button', { name: 'Review the deployment' }).click();
  await page.getByRole('cell', { name: 'AZRebalance while it rolls; resumed at the end, whatever the end' }).waitFor();
  await page.getByText(/^Suspend AZRebalance for the time of the rollout/).waitFor();
  await page.getByRole('button', { name: 'Change something' }).click();
  assert.ok(await page.getByRole('checkbox', { name: /^AZRebalance/ }).isChecked());
  assert.ok(!(await page.getByRole('checkbox', { name: /^AlarmNotification/ }).isChecked()));
  assert.deepEqual([seen.violations, seen.errors], [[], []]);
  await context.close();
});

test('a deployment that was taken back proves that nothing was left behind, and a rollback says what it takes', async () => {
  const { context } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'dan');
  const undone = (await world.api('GET', '/api/v1/changes')).body.items.find((c) => c.state === 'undone');
  await page.goto(`${world.url}/deployments/${undone.number}`);
  const proof = page.getByRole('region', { name: 'Before and after' });
  await proof.getByText('Nothing was left behind').waitFor();
  const rows = (await proof.getByRole('row').allInnerTexts()).slice(1);
  assert.equal(rows.length, 6);
  for (const row of rows) assert.match(row, /unchanged/);
  await page.goto(`${world.url}/apps/${APP}/production/rollback`);
  await page.getByText(/instances are replaced, in about \d+ minutes\./).waitFor();
  await page.getByText(/It was last healthy here on \w{3} \d+ \w{3}, so nobody must approve it\./).waitFor();
  await page.getByText(/is in ECR, looked up /).waitFor();
  await context.close();
});

test('a double click sends once', async () => {
  const { context, seen } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'dan');
  await page.goto(`${world.url}/apps/${APP}/legacy/pin`);
  await page.getByRole('button', { name: 'Pin the template' }).dblclick();
  await page.waitForURL(/\/deployments\/\d+$/);
  assert.equal(seen.requests.filter((r) => r.method === 'POST' && r.url.endsWith('/pin')).length, 1);
  await context.close();
});

test('a newcomer without a password, by the link that an admin was given', async () => {
  const { context } = await visitor(chrome);
  const page = await context.newPage();
  await signIn(page, world, 'ada');
  await page.goto(`${world.url}/admin/people`);
  await page.getByLabel(/^Name/).fill('nora');
  await page.getByLabel('Role').selectOption('deployer');
  await page.getByRole('button', { name: 'Add the person' }).click();
  const link = (await page.locator('#link').innerText()).trim();
  const guest = await visitor(chrome);
  const theirs = await guest.context.newPage();
  await theirs.goto(link);
  await theirs.getByLabel(/^Password/).fill('four words and a comma');
  await theirs.getByLabel('The same again').fill('four words and a comma');
  await theirs.getByRole('button', { name: 'Keep this password' }).click();
  await theirs.getByRole('heading', { name: /Nothing needs you|need you|needs you/ }).first().waitFor();
  await theirs.goto(`${world.url}/apps/${APP}/staging`);
  await theirs.getByRole('link', { name: 'Deploy a release' }).waitFor();
  await theirs.goto(link);
  await theirs.getByText('This link was used already').waitFor();
  // The theme is kept by the server, so the next page is never shown in the other one first.
  await theirs.goto(`${world.url}/me`);
  await theirs.getByLabel('Dark').check();
  await theirs.getByRole('button', { name: 'Keep these colours' }).click();
  await theirs.goto(world.url + '/');
  assert.equal(await theirs.locator('html').getAttribute('data-theme'), 'dark');
  await theirs.goto(`${world.url}/me`);
  await theirs.getByRole('button', { name: 'Sign out' }).click();
  await theirs.getByRole('heading', { name: 'Sign in' }).waitFor();
});

test('a first visit takes at most 50 KB and 6 requests, a next page 15 KB', async () => {
  const { context } = await visitor(chrome);
  const page = await context.newPage();
  const tools = await context.newCDPSession(page);
  await tools.send('Network.enable');
  let bytes = 0, requests = [];
  tools.on('Network.requestWillBeSent', (e) => requests.push({ url: e.request.url, of: e.documentURL }));
  tools.on('Network.loadingFinished', (e) => { bytes += e.encodedDataLength; });
  const measure = async (address) => {
    bytes = 0; requests = [];
    await page.goto(world.url + address, { waitUntil: 'load' });
    // The page before may still ask for its stream while this one is being fetched.
    const own = requests.filter((r) => r.of === world.url + address && !r.url.startsWith('data:')).map((r) => r.url);
    assert.ok(own.includes(world.url + address), `${address} is not among ${requests.map((r) => r.url).join(' ')}`);
    return { bytes, requests: own };
  };
  const door = await measure('/login');
  assert.ok(door.bytes > 5_000 && door.bytes <= 50_000, `${door.bytes} bytes for the sign-in`);
  assert.ok(door.requests.length <= 6, door.requests.join(' '));
  await signIn(page, world, 'dan');
  await context.clearCookies({ name: 'none' });
  await tools.send('Network.clearBrowserCache');
  for (const address of ['/', `/apps/${APP}/staging`, '/deployments/5', '/audit', '/deployments']) {
    await tools.send('Network.clearBrowserCache');
    const first = await measure(address);
    assert.ok(first.bytes <= 50_000, `${address}: ${first.bytes} bytes`);
    assert.ok(first.requests.length <= 6, `${address}: ${first.requests.join(' ')}`);
    const html = await page.evaluate(() => performance.getEntriesByType('navigation')[0].transferSize);
    assert.ok(html > 0 && html <= 15_000, `${address}: ${html} bytes of HTML`);
  }
  await context.close();
});
