// Building and updating elements. What comes from the world goes in as text, never as markup.

/** An element of this class with children that are elements or texts. */
export function el(tag, name, ...kids) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...kids);
  return made;
}

/** Sets a text, and marks the place for a moment where it has changed. */
export function say(place, text) {
  const now = text ?? "";
  if (place.textContent === now) return;
  const first = place.textContent === "";
  place.textContent = now;
  if (first) return;
  place.classList.remove("moved");
  void place.offsetWidth; // restarts the animation
  place.classList.add("moved");
}

/** Sets a text that changes by itself, such as an age: nothing to look at. */
export function put(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** A child made once and found again by name. */
export function part(parent, name, tag = "span") {
  parent.parts ??= {};
  if (!parent.parts[name]) {
    parent.parts[name] = el(tag, name);
    parent.append(parent.parts[name]);
  }
  return parent.parts[name];
}

/** Makes the children of a list be these rows, in this order; a row keeps its element, so focus and hover stay. */
export function sync(list, rows, key, make, update) {
  list.known ??= new Map();
  const seen = new Set();
  let at = list.firstElementChild;
  for (const row of rows) {
    const id = key(row);
    seen.add(id);
    let item = list.known.get(id);
    if (!item) {
      item = make(row);
      list.known.set(id, item);
    }
    update(item, row);
    if (item === at) at = at.nextElementSibling;
    else list.insertBefore(item, at);
  }
  for (const [id, item] of list.known) {
    if (!seen.has(id)) {
      item.remove();
      list.known.delete(id);
    }
  }
}

/** The list of a section: its rows, their number beside the heading, and a sentence where there is none. */
export function section(name, rows, key, make, update) {
  const list = document.querySelector(`.rows.${name}`);
  const whole = list.closest("section");
  sync(list, rows, key, make, update);
  whole.querySelector("h2 .n").textContent = rows.length || "";
  whole.querySelector(".none").hidden = rows.length > 0;
  const table = list.closest(".scroll");
  if (table) table.hidden = rows.length === 0;
}

/** A button that does something when it is pressed. */
export function button(text, label, act) {
  const made = el("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** 09:00:05 */
export const time = (iso) => CLOCK.format(new Date(iso));
/** Mon, 5 Jan 2026 09:00:05 UTC */
export const moment = (iso) => `${DAY.format(new Date(iso))}, ${time(iso)} UTC`;

/** How long from one instant to another: 40 s, 12 min, 3 h, 5 d. */
export function span(from, to) {
  const s = Math.max(0, Math.round((new Date(to) - new Date(from)) / 1000));
  if (s < 100) return `${s} s`;
  if (s < 6000) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

/** sha256:0123… as the first ten digits. */
export const short = (digest) => (digest ?? "").replace("sha256:", "").slice(0, 10);
