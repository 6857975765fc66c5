// The beat of the page: once a second, while somebody can see it.
import { forget, seen, show as showCalls, take } from "./calls.js";
import { after, faults, offer, tell } from "./controls.js";
import { moment, put, say } from "./dom.js";
import { show as showWorld } from "./world.js";

const BEAT = 1000;
let timer = 0;
let busy = false;
let lost = false;
let known = "";
let then = "";

async function get(path) {
  const answer = await fetch(`/_sim/${path}`, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(path);
  return answer.json();
}

async function beat() {
  if (busy || document.hidden) return;
  busy = true;
  clearTimeout(timer);
  try {
    const [world, log, rules] = await Promise.all([get("world"), get(`calls?since=${seen()}`), get("faults")]);
    const place = `${world.account} · ${world.region} · seed ${world.seed}`;
    // Another world, or the same one begun again.
    if (known && (known !== place || world.now < then)) forget();
    known = place;
    then = world.now;
    put(document.querySelector("#place"), place);
    put(document.querySelector("#now"), moment(world.now));
    document.querySelector("#now").dateTime = world.now;
    say(document.querySelector("#pace"), world.speed ? `${world.speed}×` : "stopped");
    take(log.calls);
    showWorld(world);
    showCalls();
    offer(world);
    faults(rules.faults);
    if (lost) tell("");
    lost = false;
  } catch (error) {
    lost = true;
    tell("The simulator does not answer.", true);
    console.error(error);
  } finally {
    busy = false;
    if (!document.hidden) timer = setTimeout(beat, BEAT);
  }
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) beat();
});
after(beat);
beat();
