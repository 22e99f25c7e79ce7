import { answers } from "./answers.js";
import { Plot } from "./plots.js";
import { $, fit, make, put } from "./words.js";

const plots = { fps: new Plot($("fps")), ms: new Plot($("ms"), 3), age: new Plot($("age")) };
const every = Object.values(plots);

const UNKNOWN = "not told here";

const number = (value, digits, unit) => (Number.isFinite(value) ? `${value.toFixed(digits)}${unit ? ` ${unit}` : ""}` : null);

function clock(all) {
  if (!all?.length) return null;
  const [least, most] = [Math.min(...all), Math.max(...all)].map(Math.round);
  return least === most ? `${most} MHz` : `${least} to ${most} MHz`;
}

const counts = (all) => Object.entries(all).filter(([, count]) => count).map(([cause, count]) => `${count} ${cause}`).join(", ");

// [name, words, tone, whether it is long]; words null: it does not apply.
function rows(status) {
  const held = [...status.limits, ...(status.rate_limit ? [`held to ${status.rate_limit} frames a second`] : [])];
  const problems = Object.entries(status.problems).map(([part, words]) => `${part}: ${words}`).join("; ");
  const why = status.instead_of.length ? `instead of ${status.instead_of.join("; ")}` : status.backend && "the first choice of its profile";
  return [
    ["Temperature", number(status.temperature_c, 0, "°C") || UNKNOWN],
    ["Clocks", clock(status.clocks_mhz) || UNKNOWN],
    ["Power", number(status.watts, 2, "W") || UNKNOWN],
    ["Throttling", held.join(", ") || "none", held.length && "wait"],
    ["Dropped", counts(status.dropped) || "none"],
    ["Frames", status.frames.toLocaleString("en")],
    ["Answer after capture", number(status.age_ms, 0, "ms")],
    ["Recoveries", counts(status.recoveries) || null],
    ["Backend", status.backend],
    ["Why this one", why, status.instead_of.length && "wait", true],
    ["Model", status.model, "", true],
    ["Does not work", problems || null, "bad", true],
  ].filter(([, words]) => words);
}

let [ageMs, told] = [NaN, NaN];
export function aged(ms) { ageMs = ms; }

export function clear() {
  ageMs = told = NaN;
  for (const plot of every) plot.clear();
}

export function redraw() { for (const plot of every) plot.draw(); }

export function fares(status) {
  const stages = answers.stages();
  const now = performance.now();
  for (let missed = Math.min(60, (now - told) / 1000 - 0.5); missed > 1; missed--) {
    for (const plot of every) plot.add(NaN, NaN, NaN);
  }
  told = now;
  const fps = status.paused ? NaN : status.fps;
  plots.fps.add(fps);
  plots.ms.add(...stages);
  plots.age.add(ageMs);
  put($("fps-now"), number(fps, 1) || "–");
  put($("ms-now"), number(stages.reduce((a, b) => a + b), 1, "ms") || "–");
  put($("age-now"), number(ageMs, 0, "ms") || "–");
  ["pre", "inf", "post"].forEach((name, i) => put($(`ms-${name}`), number(stages[i], 1) || "–"));
  ageMs = NaN;
  const list = $("vitals");
  const all = rows(status);
  fit(list, all.length, () => make("div", {}, make("dt"), make("dd")));
  all.forEach(([name, words, tone, long], i) => {
    const row = list.children[i];
    put(row.children[0], name);
    put(row.children[1], `${words}`);
    row.dataset.tone = tone || (words === UNKNOWN ? "dim" : "");
    row.classList.toggle("long", Boolean(long));
  });
}
