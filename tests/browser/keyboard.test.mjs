// The same story with the keyboard alone: Tab, Enter, Space, arrows and typing. No mouse, no call of an element's own methods.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP, browser, demo, visitor } from './lib.mjs';

let world, chrome;
before(async () => { world = await demo({ speed: 150 }); chrome = await browser(); });
after(async () => { await chrome?.close(); await world?.stop(); });

/** What has focus: its role-like tag, its words, and whether a ring is drawn around it or what it covers. */
const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  const words = e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText || e.value || '';
  const ring = (x) => x && getComputedStyle(x).outlineStyle !== 'none' && parseFloat(getComputedStyle(x).outlineWidth) >= 2;
  const box = e.getBoundingClientRect();
  return { tag: e.tagName, type: e.type || '', words: words.trim().replace(/\s+/g, ' '), ring: ring(e) || ring(e.closest('.cell')) || ring(e.closest('label')),
    seen: box.bottom > 0 && box.top < innerHeight };
});

/** Presses Tab until something with these words has focus; every stop on the way must show where it is. */
async function tabTo(page, words, most = 80) {
  const stops = [];
  for (let i = 0; i < most; i += 1) {
    await page.keyboard.press('Tab');
    const at = await focused(page);
    if (at.tag === 'BODY') continue;
    stops.push(at.words || at.tag);
    assert.ok(at.ring, `no focus ring on ${JSON.stringify(at)}`);
    assert.ok(at.seen, `focus is out of sight on ${JSON.stringify(at)}`);
    if (words.test(at.words)) return at;
  }
  return assert.fail(`no ${words} within ${most} stops of ${page.url()}: ${stops.join(' | ')}`);
}

async function enter(page, words, url) {
  await tabTo(page, words);
  await Promise.all([page.waitForURL(url), page.keyboard.press('Enter')]);
}

async function signIn(page, name) {
  await page.goto(world.url + '/login');
  await tabTo(page, /^Name/);
  await page.keyboard.type(name);
  await tabTo(page, /^Password/);
  await page.keyboard.type(world.people[name]);
  await Promise.all([page.waitForURL(world.url + '/'), page.keyboard.press('Enter')]);
}

test('deploy, approve, roll back, capacity and audit by keyboard', async () => {
  const deployer = await visitor(chrome), approver = await visitor(chrome);
  const page = await deployer.context.newPage(), other = await approver.context.newPage();
  await signIn(page, 'dan');
  await signIn(other, 'pia');
  await page.keyboard.press('Tab');
  assert.equal((await focused(page)).words, 'Skip to content', 'the first stop leads past the navigation');
  await enter(page, /production/, /\/production$/);
  await enter(page, /^Deploy a release/, /\/deploy$/);
  await tabTo(page, /v5/);
  await enter(page, /^Review the deployment/, /\/deploy$/);
  await page.getByRole('heading', { name: 'Steps' }).waitFor();
  await enter(page, /^Request approval/, /\/deployments\/\d+$/);
  const number = page.url().split('/').pop();

  await other.reload();
  await enter(other, new RegExp(`^Review #${number}`), /\/approvals\//);
  await enter(other, new RegExp(`^Approve #${number}`), /\/deployments\//);
  await page.locator('#state').getByText('Succeeded', { exact: true }).waitFor();

  await enter(page, /^Roll back to v4/, /\/rollback$/);
  await enter(page, /^Roll back to v4/, /\/deployments\/\d+$/);
  await page.locator('#state').getByText('Succeeded', { exact: true }).waitFor();

  await page.goto(`${world.url}/apps/${APP}/staging/capacity`);
  await tabTo(page, /^Desired( now.*)?$/);
  await page.keyboard.press('Control+A');
  await page.keyboard.type('3');
  await enter(page, /^Apply capacity/, /\/deployments\/\d+$/);
  await page.locator('#state').getByText('Succeeded', { exact: true }).waitFor();

  await enter(page, /^Audit/, /\/audit$/);
  await tabTo(page, /^Who/);
  await page.keyboard.type('pia');
  await Promise.all([page.waitForURL(/actor=pia/), page.keyboard.press('Enter')]);
  await page.getByRole('row', { name: /Approved/ }).first().waitFor();
  for (const { seen } of [deployer, approver]) assert.deepEqual([seen.violations, seen.errors], [[], []]);
});
