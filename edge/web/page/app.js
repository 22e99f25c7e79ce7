import { Refused, ask, get, pause, place, tried } from "./api.js";
import { answers } from "./answers.js";
import * as events from "./events.js";
import { door } from "./login.js";
import { Tile } from "./mosaic.js";
import { own, sight } from "./own.js";
import * as settings from "./settings.js";
import { News, Pictures } from "./stream.js";
import * as vitals from "./vitals.js";
import { $, kept, make, put, say, shared, toast, veil } from "./words.js";

const TONES = { running: "good", recovering: "bad", stopping: "bad" };

const state = {
  camera: null, names: [], pictures: null, running: [], gone: "", paused: false, turn: 0, start: "", condition: "", asked: 0,
};

function fares(status) {
  state.condition = status.condition;
  if (Date.now() < state.asked) status.paused = state.paused;  // maybe said before
  const lacks = status.words.includes("browser:") && sight.words;
  state.words = ["starting", "recovering"].includes(status.condition) ? lacks || `No picture: ${status.words}` : "";
  paused(status.paused);
  if (status.condition === "recovering") answers.clear("Nothing: the camera is gone.");
  if (status.paused || status.condition === "recovering") status.label = null;
  document.title = `${status.label ? `${status.label} · ` : ""}${status.name} · edgekit`;
  const how = status.paused ? "paused" : status.condition;
  say(how, TONES[how] || "wait");
  vitals.fares(status);
  answers.speak(status);
  settings.ran(state.camera, status.model);
}

function paused(is) {
  state.paused = is;
  $("pause").setAttribute("aria-pressed", is);
  put($("pause").lastElementChild, is ? "Go on" : "Pause");
  look();
  if (is) blank();
  cover();
}

function blank() {
  state.blind = "No picture yet";
  $("picture").width = 640;  // whatever stood there is gone
  answers.clear(state.paused ? "Paused" : "Nothing yet.");
}

function cover() {
  const words = state.gone || state.words || state.blind;
  veil(state.paused && !state.gone ? "Paused: the camera is off" : words);
  $("frame").classList.toggle("stale", Boolean(words));
}

// error: none where the server is there again.
function gone(error) {
  const refused = error instanceof Refused;
  state.gone = refused ? error.message : error ? "The server does not answer" : "";
  $("notice").hidden = !error;
  put($("notice"), error ? `${state.gone}. This page comes back by itself.` : "");
  if (error) say(refused ? "refused" : "server gone", "bad");
  cover();
}

function blind(error) {
  state.blind = error instanceof Refused ? `No picture: ${error.message}` : "No picture comes";
  cover();
}

// A server that is only slow, or begins anew, is there at the next try.
function lost(error, tries, tell = gone) {
  if (error.status === 404) begin();
  else if (error.status !== 401 && (error.status || tries || error.name === "TimeoutError")) tell(error);
}

function heard() {
  if (state.gone) begin();
}

function leave() {
  see(false);
  for (const each of state.running) each.stop();
  state.running = [];
}

function one(camera) {
  leave();
  const other = camera !== state.camera;
  state.camera = camera;
  document.body.dataset.view = "one";
  if (other) {
    vitals.clear();
    Object.assign(state, { condition: "", words: "", paused: false, asked: 0 });
    blank();
    cover();
  }
  look();
  state.running = [new News(camera, {
    answer: (answer) => {
      if (state.paused || state.condition === "recovering") return;
      answers.count_(answer.took);
      answers.show(answer);
    },
    status: (status) => { heard(); fares(status); },
    settings: settings.show,
    happened: (event) => events.happened(event, camera),
  }, lost)];
  settings.load(camera);
  events.load([camera]);
  tabs(camera);
}

function look() {
  see(!document.hidden && state.camera && !state.paused && state.condition !== "recovering");
}

function see(is) {
  if (Boolean(is) === Boolean(state.pictures)) return;
  state.pictures?.stop();
  state.pictures = is ? new Pictures($("picture"), state.camera, (ageMs, ratio, frame) => {
    vitals.aged(ageMs);
    $("frame").style.setProperty("--ratio", ratio);
    state.words = state.blind = "";
    answers.saw(frame);
    cover();
  }, (error, tries) => lost(error, tries, blind)) : null;
}
document.onvisibilitychange = look;

function all() {
  leave();
  state.camera = null;
  document.body.dataset.view = "all";
  const { names } = state;
  const fared = {};
  state.running = names.map((name) => new Tile(name, name.slice(state.start.length), names.length, {
    chosen: () => { one(name); $("stage").focus(); },
    fared: (status) => {
      heard();
      fared[name] = status;
      mosaicFares(Object.values(fared), names);
    },
    lost,
  }));
  $("mosaic").replaceChildren(...state.running.map(({ element }) => element));
  $("mosaic").style.setProperty("--across", names.length < 4 ? names.length : Math.ceil(Math.sqrt(names.length)));
  document.title = `${names.length} cameras · edgekit`;
  events.load(names);
  tabs(null);
}

function mosaicFares(known, names) {
  const run = known.filter(({ condition, paused }) => condition === "running" && !paused).length;
  say(`${run} of ${names.length} running`, run === names.length ? "good" : run ? "wait" : "bad");
  const happenings = known.map(({ events }) => Object.values(events).reduce((a, b) => a + b, 0));
  if (known.length === names.length && `${happenings}` !== `${state.happenings}`) {
    state.happenings = happenings;
    events.load(names);
  }
}

function tabs(which) {
  const rows = [[null, "All"], ...state.names.map((name) => [name, name.slice(state.start.length)])];
  $("cameras").hidden = state.names.length < 2;
  const focused = [...$("cameras").children].indexOf(document.activeElement);
  $("cameras").replaceChildren(...rows.map(([name, words]) => {
    const button = make("button", { textContent: words, onclick: () => (name === null ? all() : one(name)) });
    if (name === which) button.setAttribute("aria-current", "true");
    return button;
  }));
  if (focused >= 0) $("cameras").children[focused]?.focus();
}

async function begin() {
  const turn = ++state.turn;
  leave();
  while (turn === state.turn) {
    try {
      const told = await get("cameras");
      gone();
      const names = state.names = told.cameras.map(({ name }) => name);
      $("leave").hidden = !told.session;
      state.start = shared(names);
      put($("title"), state.start.slice(0, -1) || (names[1] ? "edgekit" : names[0]));
      own(told.browser_camera);
      const there = names.includes(state.camera);
      if (names[1] && !there) all(); else one(there ? state.camera : names[0]);
      return;
    } catch (error) {
      if (error.status === 401) return;
      gone(error);
      await pause(1.5);
    }
  }
}

async function togglePause() {
  const [camera, wanted] = [state.camera, !state.paused];
  state.asked = Infinity;
  if (wanted) paused(true);
  const obeyed = await settings.wish({ paused: wanted }, wanted ? "Pause" : "Go on");
  if (camera !== state.camera) return;
  paused(obeyed ? wanted : !wanted);
  state.asked = Date.now() + 1000;
}

async function snapshot() {
  const camera = state.camera;
  const answer = await tried(() => ask(place("snapshot", camera)), "Snapshot");
  if (!answer) return;
  const now = new Date().toISOString().replace(/[-:]/g, "").slice(0, 15);
  const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: `${camera}-${now}.jpg` });
  link.click();
  toast(`Saved as ${link.download}`);
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Where a browser has no full screen for parts of a page, the part fills the window.
async function fullScreen() {
  const stage = $("stage");
  if (document.fullscreenElement) return document.exitFullscreen();
  if (stage.classList.contains("filled")) return filled(false);
  filled(true);
  return stage.requestFullscreen?.().catch(() => {});
}
function filled(is) {
  $("stage").classList.toggle("filled", is);
  $("full").setAttribute("aria-pressed", is);
  answers.over();
}
document.onfullscreenchange = () => filled(Boolean(document.fullscreenElement));

$("pause").onclick = togglePause;
$("snapshot").onclick = snapshot;
$("full").onclick = fullScreen;

$("keys").checked = kept.get("keys") !== "off";
$("keys").onchange = ({ target }) => kept.set("keys", target.checked ? "on" : "off");
document.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") filled(false);
  if (!$("keys").checked || event.target.closest(event.key === " " ? "input, select, button, a" : "input:not([type=checkbox]), select")) return;
  const act = { f: fullScreen, ...state.camera && { " ": togglePause, s: snapshot } }[event.key];
  if (act) { event.preventDefault(); act(); }
};

// Where the colours of the dark apply.
const THEMES = { auto: "(prefers-color-scheme: dark)", light: "not all", dark: "all" };
const dark = [...document.styleSheets[0].cssRules].find((rule) => rule.media);
function theme(name) {
  dark.media.mediaText = THEMES[name];
  put($("theme").lastElementChild, name);
  kept.set("theme", name);
  vitals.redraw();
}
theme(kept.get("theme") in THEMES ? kept.get("theme") : "auto");
$("theme").onclick = () => {
  const names = Object.keys(THEMES);
  theme(names[(names.indexOf($("theme").lastElementChild.textContent) + 1) % 3]);
};
addEventListener("resize", vitals.redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", vitals.redraw);

door(begin);
