// What the pages do beyond their HTML: local times, live updates, small conveniences. Everything works without it.
(() => {
  'use strict';
  const $ = (id) => document.getElementById(id);
  const root = () => $('page');

  // Times come in UTC; here they are put into the reader's zone. The title keeps UTC.
  const two = (n) => String(n).padStart(2, '0');
  const clock = (d, seconds) => two(d.getHours()) + ':' + two(d.getMinutes()) + (seconds ? ':' + two(d.getSeconds()) : '');
  const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
  const zone = () => {
    const part = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' }).formatToParts(new Date()).find((p) => p.type === 'timeZoneName');
    return part ? part.value : '';
  };
  function localise(within) {
    for (const t of within.querySelectorAll('time[datetime]:not(.rel)')) {
      const d = new Date(t.dateTime);
      if (isNaN(d)) continue;
      const text = t.textContent;
      if (t.className === 'stamp') {
        const long = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' });
        t.textContent = long.format(d) + ', ' + clock(d, true) + ' ' + zone();
      } else if (/^\d\d:\d\d:\d\d$/.test(text)) t.textContent = clock(d, true);
      else if (/^\d\d:\d\d$/.test(text)) t.textContent = clock(d, false);
      else if (/^\d+ \w+ \d\d:\d\d$/.test(text)) t.textContent = day.format(d) + ' ' + clock(d, false);
      else if (/^\w{3} \d+ \w+$/.test(text)) t.textContent = new Intl.DateTimeFormat('en-GB', { weekday: 'short' }).format(d) + ' ' + day.format(d);
    }
  }

  // One sentence for screen readers when something is reached; never more than one in ten seconds.
  let said = root() && root().dataset.say, saidAt = 0, later = 0;
  function announce() {
    const say = root().dataset.say;
    if (say === said) return;
    clearTimeout(later);
    const wait = saidAt + 10000 - Date.now();
    if (wait > 0) { later = setTimeout(announce, wait); return; }
    said = say; saidAt = Date.now();
    $('announce').textContent = say;
  }

  // One stream for all tabs of this browser: over HTTP/1.1 a browser opens six connections to a host, so a stream for each
  // tab would leave the seventh page hanging. The tab that holds the lock reads the stream and passes each message on; hidden
  // tabs let go of it. Every message names topics; each page knows its own.
  let since = 0, stream = null, release = null, beat = Date.now(), missed = false, backoff = 1000, retry = 0;
  const channel = 'BroadcastChannel' in window ? new BroadcastChannel('fleetgate-live') : null;
  const topics = () => (root() && root().dataset.topics || '').split(' ').filter(Boolean);
  const paused = () => localStorage.getItem('paused') === '1';

  function refresh() { missed = false; root().dispatchEvent(new CustomEvent('refresh')); }
  function take(id, named) {
    if (id) since = Math.max(since, id);
    const mine = topics();
    if (named !== null && !mine.includes('*') && !named.some((t) => mine.includes(t))) return;
    if (paused() || document.hidden) { missed = true; return; }
    refresh();
  }
  function alive() { beat = Date.now(); if (!missed) $('lost').hidden = true; }
  function hear(m) {
    if (m.kind === 'hello') { if (stream && m.since < since) channel.postMessage({ kind: 'reset', id: since }); return; }
    if (m.kind === 'over') { location.reload(); return; }
    alive();
    if (m.kind === 'news') take(m.id, m.topics);
    if (m.kind === 'reset') take(m.id, null);
  }
  function tell(m) { hear(m); if (channel) channel.postMessage(m); }
  function open() {
    if (stream) return;
    stream = new EventSource('/live?since=' + since);
    stream.addEventListener('open', () => { backoff = 1000; tell({ kind: 'beat' }); });
    stream.addEventListener('beat', () => tell({ kind: 'beat' }));
    stream.addEventListener('news', (e) => tell({ kind: 'news', id: Number(e.lastEventId), topics: JSON.parse(e.data) }));
    stream.addEventListener('reset', (e) => tell({ kind: 'reset', id: Number(e.lastEventId) }));
    stream.addEventListener('over', () => { close(); tell({ kind: 'over' }); });
    stream.addEventListener('error', () => {
      // A broken connection is taken up again by the browser itself, with Last-Event-ID; a refused one is not.
      if (stream && stream.readyState === EventSource.CLOSED) {
        close();
        clearTimeout(retry);
        retry = setTimeout(() => { if (release) open(); }, backoff + Math.random() * 500);
        backoff = Math.min(backoff * 2, 5000);
      }
    });
  }
  function close() { if (stream) stream.close(); stream = null; }
  function lead() {
    if (release || !topics().length || document.hidden) return;
    if (!navigator.locks) { release = () => {}; open(); return; }
    const asked = new AbortController();
    release = () => asked.abort();
    navigator.locks.request('fleetgate-live', { signal: asked.signal }, () => new Promise((done) => {
      release = () => { close(); done(); };
      open();
    })).catch(() => {});
  }
  function follow() { clearTimeout(retry); close(); if (release) release(); release = null; }

  function pauseButton() {
    const b = $('pause');
    if (!b) return;
    const is = paused();
    b.hidden = false;
    b.setAttribute('aria-pressed', String(is));
    b.setAttribute('aria-label', is ? 'Live updates are paused. Go on' : 'Pause live updates');
    document.body.classList.toggle('paused', is);
    document.body.classList.toggle('live', !is && topics().length > 0);
  }
  function lost(why) { $('lost-why').textContent = why; $('lost').hidden = false; document.body.classList.remove('live'); }
  function watch() {
    if (!topics().length || document.hidden || paused()) return;
    if (Date.now() - beat > 15000) lost('Nothing was heard since ' + clock(new Date(beat), true) + '; this page shows ' + clock(new Date(root().dataset.at), true) + '.');
    else pauseButton();
  }

  function start() {
    if (!root()) return;
    localise(document.body);
    since = Number(root().dataset.since) || 0;
    if (!topics().length) return;
    pauseButton();
    if (channel) {
      channel.onmessage = (e) => hear(e.data);
      channel.postMessage({ kind: 'hello', since });
    }
    lead();
    setInterval(watch, 1000);
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) { follow(); return; }
      beat = Date.now();
      lead();
      if (missed && !paused()) refresh();
    });
    window.addEventListener('pagehide', follow);
    window.addEventListener('pageshow', (e) => { if (e.persisted) location.reload(); });
  }

  // A block is only taken from a page that is really this one: not from an error, and not from the sign-in page.
  document.addEventListener('htmx:before:swap', (e) => {
    const r = e.detail.ctx.response && e.detail.ctx.response.raw;
    if (!r) return;
    if (r.redirected && new URL(r.url).pathname === '/login') { e.preventDefault(); location.reload(); return; }
    if (r.status !== 200) { e.preventDefault(); missed = true; lost('The server answered ' + r.status + '.'); }
  });
  document.addEventListener('htmx:error', () => { if (topics().length) { missed = true; lost('The server could not be reached.'); } });
  document.addEventListener('htmx:after:swap', () => {
    since = Math.max(since, Number(root().dataset.since) || 0);
    alive();
    localise(document.body);
    pauseButton();
    announce();
  });

  document.addEventListener('click', (e) => {
    const b = e.target.closest('button');
    if (!b) return;
    if (b.id === 'pause') {
      localStorage.setItem('paused', paused() ? '0' : '1');
      pauseButton();
      if (!paused()) { beat = Date.now(); refresh(); }
    }
    if (b.dataset.copy) {
      navigator.clipboard.writeText($(b.dataset.copy).textContent).then(() => { b.textContent = 'Copied'; }, () => { b.textContent = 'Select it and copy'; });
    }
    if (b.dataset.step) {
      const field = $(b.dataset.step);
      e.preventDefault();
      field.value = Math.max(0, (parseInt(field.value, 10) || 0) + Number(b.dataset.by));
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
  });
  // A form is sent once. The server would answer a second one with the first result; the button says so.
  document.addEventListener('submit', (e) => {
    if (e.target.method !== 'post') return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = '1';
    if (e.submitter) e.submitter.classList.add('sent');
  });
  window.addEventListener('pageshow', () => { for (const f of document.querySelectorAll('form[data-sent]')) delete f.dataset.sent; });

  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start); else start();
})();
