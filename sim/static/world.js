// The world as it is now.
import { button, el, part, put, say, section, short, span, sync, time } from "./dom.js";
import { send } from "./controls.js";

/** State of an instance for the eye: which colour and sign go with its words. */
function kind(i) {
  if (/^Terminat/.test(i.lifecycle) || i.ec2 === "shutting-down" || i.ec2 === "terminated") return "leave";
  if (i.health === "Unhealthy" || i.sick || i.targets.some((t) => t.state === "unhealthy")) return "bad";
  if (i.lifecycle !== "InService" || i.targets.some((t) => t.state !== "healthy")) return "wait";
  return "ok";
}

const SIGN = { ok: "●", wait: "◐", bad: "▲", leave: "▽", off: "○" };

/** A word of state with its sign. */
function state(place, what, text) {
  const key = `${what} ${text}`;
  if (place.shown === key) return;
  place.shown = key;
  place.dataset.kind = what;
  part(place, "sign").textContent = SIGN[what] ?? "";
  part(place, "sign").setAttribute("aria-hidden", "true");
  say(part(place, "word"), text);
}

function instance(i) {
  const cell = el("li", "cell");
  for (const name of ["life", "where", "id", "target", "image", "age"]) part(cell, name);
  const kill = button("Kill", `Kill ${i.id}`, () => send(`instances/${i.id}/kill`, {}, `${i.id} is killed`));
  cell.turn = button("Sicken", "", () =>
    cell.sick
      ? send(`instances/${i.id}/heal`, {}, `${i.id} answers as its image does again`)
      : send(`instances/${i.id}/sicken`, {}, `${i.id} answers errors from now on`),
  );
  cell.acts = el("span", "acts", kill, cell.turn);
  cell.append(cell.acts);
  return cell;
}

function fillInstance(cell, i, world, names) {
  const what = kind(i);
  cell.dataset.kind = what;
  cell.acts.hidden = what === "leave";
  cell.sick = i.sick;
  const turn = i.sick ? "Heal" : "Sicken";
  put(cell.turn, turn);
  cell.turn.setAttribute("aria-label", `${turn} ${i.id}`);
  state(part(cell, "life"), what, i.lifecycle);
  say(part(cell, "where"), i.az.slice(-2));
  say(part(cell, "id"), i.id);
  part(cell, "id").title = `EC2 ${i.ec2}`;
  const targets = i.targets.map((t) => t.state).join(", ");
  const words = [i.ec2 === "running" ? "" : i.ec2, targets ? `target ${targets}` : "no target", i.health === "Unhealthy" ? "unhealthy" : "", i.sick ? "sick" : "", i.protected ? "protected" : ""];
  say(part(cell, "target"), words.filter(Boolean).join(" · "));
  const tag = names.get(i.digest);
  say(part(cell, "image"), `version ${i.template_version ?? "?"} · ${i.digest ? (tag ? `${tag} ` : "") + short(i.digest).slice(0, 7) : "no image yet"}`);
  put(part(cell, "age"), span(i.launched_at, world.now));
}

const OVER = ["Successful", "Failed", "Cancelled", "RollbackSuccessful", "RollbackFailed"];

function fillRefresh(box, refresh) {
  box.hidden = !refresh;
  if (!refresh) return;
  const bad = /Failed|Rollback|Cancel/.test(refresh.status);
  const over = OVER.includes(refresh.status);
  state(part(box, "status"), bad ? "bad" : over ? "ok" : "wait", refresh.status);
  const meter = part(box, "meter", "progress");
  meter.max = 100;
  meter.value = refresh.percentage ?? 0;
  meter.setAttribute("aria-label", "Refreshed, percent");
  meter.hidden = over;
  const to = refresh.desired ? ` to version ${refresh.desired.version}` : "";
  say(part(box, "share"), `${refresh.percentage ?? 0} %${to}`);
  say(part(box, "why"), refresh.reason ?? "");
}

function group() {
  const card = el("article", "group");
  const head = part(card, "head", "header");
  part(head, "name", "h3");
  part(head, "size");
  part(head, "more");
  part(card, "refresh", "p");
  part(card, "cells", "ul");
  const past = el("details", "past", el("summary", "", "Activities"));
  card.append(past);
  part(past, "line", "ol");
  card.past = past;
  return card;
}

function fillGroup(card, g, world, names) {
  const head = card.parts.head;
  say(part(head, "name", "h3"), g.name);
  const n = g.instances.length;
  say(part(head, "size"), `${g.desired} desired, ${g.min} to ${g.max} · ${n} instance${n === 1 ? "" : "s"}`);
  const template = g.template ? `${g.template.name} ${g.template.version}` : "";
  const cpu = g.cpu ?? world.load?.[g.name];
  const load = typeof cpu === "number" ? `${Math.round(cpu)} % CPU` : "";
  const suspended = g.suspended.length ? `suspended: ${g.suspended.join(", ")}` : "";
  say(part(head, "more"), [template, load, suspended].filter(Boolean).join(" · "));
  fillRefresh(card.parts.refresh, g.refreshes.at(-1));
  sync(card.parts.cells, g.instances, (i) => i.id, instance, (cell, i) => fillInstance(cell, i, world, names));
  const rows = (g.activities ?? []).slice(0, 8);
  card.past.hidden = rows.length === 0;
  sync(card.past.parts.line, rows, (a) => a.id, () => el("li"), (item, a) => {
    say(part(item, "at", "time"), time(a.start));
    const what = a.status === "Successful" ? "ok" : /Failed|Cancelled/.test(a.status) ? "bad" : "wait";
    state(part(item, "status"), what, a.end ? a.status : `${a.status} ${a.progress} %`);
    say(part(item, "text"), a.message ? `${a.description}: ${a.message}` : a.description);
  });
}

function fillTargets(item, t) {
  say(part(item, "name", "b"), t.name);
  const counts = new Map();
  for (const target of t.targets) counts.set(target.state, (counts.get(target.state) ?? 0) + 1);
  const list = part(item, "states", "span");
  const what = { healthy: "ok", unhealthy: "bad", draining: "leave", initial: "wait" };
  sync(list, [...counts], ([name]) => name, () => el("span", "state"), (place, [name, n]) => state(place, what[name] ?? "off", `${n} ${name}`));
  say(part(item, "reason", "small"), t.targets.length ? [...new Set(t.targets.map((x) => x.reason).filter(Boolean))].join(", ") : "no target registered");
}

const DONE = {
  failover: (id) => `${id} has lost a primary`,
  modifying: (id) => `${id} is held in modifying`,
  available: (id) => `${id} is settled`,
};

function cache(g) {
  const card = el("article", "cache");
  const head = part(card, "head", "header");
  part(head, "name", "h3");
  part(head, "status");
  part(card, "writes", "p");
  part(card, "cells", "ul");
  const act = (text, label, state) => button(text, `${text} ${g.id}: ${label}`, () => send("redis", { group: g.id, state }, DONE[state](g.id)));
  card.append(el("p", "acts", act("Fail over", "lose the primary", "failover"), act("Hold", "keep it in modifying", "modifying"), act("Settle", "end at once what it is busy with", "available")));
  return card;
}

function fillCache(card, g, world) {
  const head = card.parts.head;
  say(part(head, "name", "h3"), g.id);
  state(part(head, "status"), g.status === "available" ? "ok" : g.status === "deleting" ? "leave" : "wait", g.status);
  const busy = g.busy?.until ? `${g.busy.what}, ${span(world.now, g.busy.until)} to go` : (g.busy?.what ?? "");
  state(card.parts.writes, g.writes ? "ok" : "bad", g.writes ? "takes writes" : "takes no writes");
  put(part(card.parts.writes, "busy"), busy ? ` · ${busy}` : "");
  const members = g.shards.flatMap((s) => s.members.map((m) => ({ ...m, shard: s.id })));
  sync(card.parts.cells, members, (m) => m.id, () => el("li", "cell"), (cell, m) => {
    const what = m.status === "deleting" ? "leave" : m.serves ? "ok" : m.role === "primary" ? "bad" : "wait";
    cell.dataset.kind = what;
    state(part(cell, "life"), what, m.role);
    say(part(cell, "where"), m.az.slice(-2));
    say(part(cell, "id"), m.id);
    say(part(cell, "target"), m.serves ? m.status : `${m.status}, does not serve`);
  });
}

function fillImage(row, i, runs) {
  say(part(row, "tags", "th"), i.tags.length ? i.tags.join(", ") : "untagged");
  row.parts.tags.scope = "row";
  say(part(row, "digest", "td"), short(i.digest));
  row.parts.digest.title = `${i.repository}@${i.digest}`;
  state(part(row, "behaviour", "td"), i.behaviour === "ok" ? "ok" : "bad", i.boot_seconds ? `${i.behaviour}, boots ${i.boot_seconds} s` : i.behaviour);
  const n = runs.get(i.digest) ?? 0;
  say(part(row, "runs", "td"), n ? `${n} instance${n > 1 ? "s" : ""}` : "–");
  put(part(row, "pushed", "td"), i.ago);
}

function flat(value, path, out) {
  if (value && typeof value === "object") {
    if (Object.keys(value).sort().join() === "max,min") out.push([path, `${value.min} to ${value.max} s`]);
    else for (const [k, v] of Object.entries(value)) flat(v, path ? `${path}.${k}` : k, out);
  } else out.push([path, String(value)]);
  return out;
}

/** Shows the whole world. */
export function show(world) {
  const named = (i) => [i.digest, i.tags.join("/")];
  const names = new Map(world.images.filter((i) => i.tags.length).map(named));
  const runs = new Map();
  for (const i of world.instances) if (i.digest && i.ec2 === "running") runs.set(i.digest, (runs.get(i.digest) ?? 0) + 1);
  section("groups", world.groups, (g) => g.name, group, (card, g) => fillGroup(card, g, world, names));
  section("targets", world.target_groups, (t) => t.arn, () => el("li"), fillTargets);
  section("caches", world.redis, (g) => g.id, cache, (card, g) => fillCache(card, g, world));
  sync(document.querySelector(".events"), world.cache_events.slice(0, 6), (e) => `${e.at} ${e.source} ${e.message}`, () => el("li"), (item, e) => {
    say(part(item, "at", "time"), time(e.at));
    say(part(item, "source"), e.source);
    say(part(item, "text"), e.message);
  });
  const images = world.images.map((i) => ({ ...i, ago: `${span(i.pushed, world.now)} ago` })).sort((a, b) => (a.pushed < b.pushed ? 1 : -1));
  section("images", images, (i) => i.repository + i.digest, () => el("tr"), (row, i) => fillImage(row, i, runs));
  section("alarms", world.alarms ?? [], (a) => a.name, () => el("li"), (item, a) => {
    state(part(item, "status"), a.state === "ALARM" ? "bad" : a.state === "OK" ? "ok" : "wait", a.state);
    say(part(item, "name", "b"), a.name);
    say(part(item, "reason", "small"), a.reason ?? "");
  });
  sync(document.querySelector(".params"), flat(world.params, "", []), ([k]) => k, () => el("div"), (row, [k, v]) => {
    say(part(row, "key", "dt"), k.replaceAll("_", " "));
    say(part(row, "value", "dd"), v);
  });
}
