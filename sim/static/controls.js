// The controls: forms and buttons that change the world.
import { el, part, say, section } from "./dom.js";

const said = document.querySelector("#said");
let beat = () => {};

/** What is to happen after a control was used. */
export function after(act) {
  beat = act;
}

/** Says something to the one who watches. */
export function tell(text, bad = false) {
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

/** Uses a control; an error is said in the simulator's words. */
export async function send(path, body, done, method = "POST") {
  try {
    const answer = await fetch(`/_sim/${path}`, { method, body: method === "POST" ? JSON.stringify(body) : undefined });
    const got = await answer.json();
    tell(answer.ok ? done : got.error, !answer.ok);
    beat();
    return answer.ok;
  } catch {
    tell("The simulator does not answer.", true);
    return false;
  }
}

/** The members of a form: numbers as numbers, what is empty left out, or null where it says so. */
function body(form) {
  const out = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    if (field.value !== "") out[field.name] = field.type === "number" ? Number(field.value) : field.value;
    else if ("null" in field.dataset) out[field.name] = null;
  }
  return out;
}

const DONE = {
  images: (b) => `${b.repository}:${b.tag} is pushed`,
  faults: (b) => `${b.kind} hits ${b.service} ${b.operation}`,
  load: (b) => `${b.asg} is at ${b.cpu} % CPU`,
  capacity: (b) => (b.instances === null ? `${b.az} has no limit` : `${b.az} has ${b.instances} launches left`),
};

for (const form of document.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = body(form);
    send(form.dataset.path, given, DONE[form.dataset.path](given));
  });
}

document.querySelector("#clock").addEventListener("click", ({ target }) => {
  const { speed, advance } = target.dataset;
  if (speed !== undefined) send("clock", { speed: Number(speed) }, speed === "0" ? "The clock stands" : `The clock runs at ${speed}×`);
  if (advance !== undefined) send("clock", { advance_seconds: Number(advance) }, `Advanced by ${Number(advance) / 60} min`);
});

document.querySelector("#clear-faults").addEventListener("click", () => send("faults", null, "Every fault is removed", "DELETE"));

/** Offers what there is in the selects; one that is open or filled in is left alone. */
export function offer(world) {
  const zones = new Set([...Object.keys(world.capacity), ...(world.zones ?? []), ...world.instances.map((i) => i.az)]);
  const all = { groups: world.groups.map((g) => g.name), repositories: [...new Set(world.images.map((i) => i.repository))], zones: [...zones].sort() };
  for (const select of document.querySelectorAll("select[data-of]")) {
    const names = all[select.dataset.of];
    if (select.offered === names.join()) continue;
    select.offered = names.join();
    const kept = select.value;
    select.replaceChildren(...names.map((name) => el("option", "", name)));
    if (names.includes(kept)) select.value = kept;
  }
  for (const speed of document.querySelectorAll("[data-speed]")) {
    speed.setAttribute("aria-pressed", String(Number(speed.dataset.speed) === (world.speed ?? 0)));
  }
}

/** Shows the fault rules. */
export function faults(rules) {
  const rows = rules.map((rule, n) => ({ ...rule, n }));
  section("faults", rows, (r) => `${r.n} ${r.service} ${r.operation} ${r.kind}`, () => el("li"), (item, r) => {
    say(part(item, "name", "b"), r.kind);
    say(part(item, "at"), `${r.service} ${r.operation}`);
    const often = r.rate < 1 ? `${Math.round(r.rate * 100)} % of calls` : "every call";
    const hit = r.hit === undefined ? "" : `${r.hit} hit`;
    say(part(item, "reason", "small"), [often, r.count && `${r.count} at most`, hit].filter(Boolean).join(" · "));
  });
  document.querySelector("#clear-faults").hidden = rules.length === 0;
}
