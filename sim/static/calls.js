// The log of AWS calls, newest first.
import { el, part, say, section, time } from "./dom.js";

const KEPT = 1000;
const SHOWN = 150;
const log = [];
let last = 0;
const form = document.querySelector("#filter");

/** Number of the last call that is known. */
export const seen = () => last;

/** Takes further calls. */
export function take(calls) {
  for (const call of calls) {
    last = Math.max(last, call.seq);
    const parts = Object.entries(call.params).map(([k, v]) => `${k}=${v}`);
    call.words = [call.service, call.operation, call.status, call.error_code, call.fault, call.principal, ...parts].join(" ").toLowerCase();
    call.given = parts.join("  ");
    log.push(call);
  }
  log.splice(0, log.length - KEPT);
}

/** Forgets everything: another simulator answers at this address. */
export function forget() {
  log.length = 0;
  last = 0;
}

function answer(call) {
  const how = [call.status || "no answer", call.error_code, call.fault && `fault: ${call.fault}`, call.effective && "changed"];
  return how.filter(Boolean).join(" · ");
}

const refused = (call) => call.status < 200 || call.status >= 400;

/** Shows the calls that fit the filter. */
export function show() {
  const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (c) => words.every((w) => c.words.includes(w)) && (!form.elements.changes.checked || c.effective) && (!form.elements.errors.checked || refused(c));
  const rows = log.filter(fits).slice(-SHOWN).reverse();
  section("calls", rows, (c) => c.seq, () => el("tr"), (row, c) => {
    row.dataset.kind = refused(c) ? "bad" : c.effective ? "act" : "";
    say(part(row, "at", "td"), time(c.at));
    const name = part(row, "call", "th");
    name.scope = "row";
    say(part(name, "service", "small"), c.service);
    say(part(name, "operation"), c.operation || "(none)");
    say(part(row, "answer", "td"), answer(c));
    say(part(row, "by", "td"), c.principal.split("/").at(-1));
    row.parts.by.title = c.principal;
    say(part(row, "given", "td"), c.given);
    row.parts.given.title = c.given;
  });
}

form.addEventListener("input", show);
form.addEventListener("submit", (e) => e.preventDefault());
