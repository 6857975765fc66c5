// A demo of its own and a real Chromium, for each file of tests. Nothing here waits for a time: only for what is on a page.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import readline from 'node:readline';
import { chromium } from 'playwright-core';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const APP = 'stateless-app';
/** Longest wait for something that must come, in milliseconds: a limit, never a pause. */
export const PATIENCE = 120_000;

const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

/** The binary under test: `FLEETGATE_BINARY`, else the debug build. */
export const binary = process.env.FLEETGATE_BINARY || path.join(process.env.CARGO_TARGET_DIR || path.join(root, 'target'), 'debug/fleetgate');

/** Starts a demo on free ports; `stop()` ends it. */
export async function demo({ speed = 60 } = {}) {
  const child = spawn(binary, ['demo', '--listen', '127.0.0.1:0', '--aws-listen', '127.0.0.1:0', '--speed', String(speed), '--json'],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = readline.createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, 'line'), once(child, 'exit').then(([code]) => { throw new Error(`the demo ended with ${code}`); })]);
  const ready = JSON.parse(line);
  const people = Object.fromEntries(ready.people.map((p) => [p.name, p.password]));
  return {
    ...ready,
    people,
    child,
    async stop() { child.kill('SIGTERM'); await once(child, 'exit'); },
    /** The API with the demo's token, or with a person's session. */
    async api(method, where, body, headers = {}) {
      const r = await fetch(ready.url + where, { method, redirect: 'manual', body: body && JSON.stringify(body),
        headers: { ...(headers.cookie ? {} : { authorization: `Bearer ${ready.token}` }), ...(body ? { 'content-type': 'application/json' } : {}), ...headers } });
      const text = await r.text();
      return { status: r.status, body: text && r.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text, headers: r.headers };
    },
    async sim(method, where, body) {
      const r = await fetch(ready.aws_endpoint + where, { method, body: body && JSON.stringify(body), headers: { 'content-type': 'application/json' } });
      const text = await r.text();
      try { return JSON.parse(text); } catch { return text; }
    },
    /** Waits until a change is final and returns it. */
    async settled(number) {
      const end = Date.now() + PATIENCE;
      for (;;) {
        const { body } = await this.api('GET', `/api/v1/changes/${number}`);
        if (body.finished_at) return body;
        if (Date.now() > end) throw new Error(`#${number} did not end: ${body.state} ${body.sentence}`);
        await new Promise((done) => setTimeout(done, 100));
      }
    },
  };
}

/** Chromium. `CHROMIUM` names another binary. */
export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: flags });
}

/** A context that notes every CSP report, console error and uncaught error, and every request. */
export async function visitor(chrome, options = {}) {
  const context = await chrome.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const seen = { violations: [], errors: [], requests: [] };
  context.on('console', (m) => {
    const text = m.text();
    if (/Content Security Policy|Refused to/i.test(text)) seen.violations.push(text);
    // The browser itself notes answers over 399 here; tests look at those by status.
    else if (m.type() === 'error' && !/^Failed to load resource/.test(text)) seen.errors.push(text);
  });
  context.on('weberror', (e) => seen.errors.push(String(e.error())));
  context.on('request', (r) => seen.requests.push({ at: Date.now(), method: r.method(), url: r.url(), type: r.resourceType(), by: r.headers()['hx-request'] ? 'htmx' : '' }));
  return { context, seen };
}

/** Signs in by the form. */
export async function signIn(page, world, name) {
  await page.goto(world.url + '/login');
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(world.people[name]);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: new RegExp(`${name}, your account`) }).waitFor();
}
