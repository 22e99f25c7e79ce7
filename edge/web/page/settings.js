import { change, get, tried } from "./api.js";
import { answers } from "./answers.js";
import { $, kept, make, percent, put } from "./words.js";

const now = { camera: null, labels: [], model: null, slid: 0 };

// Has it go by something else; whether it does.
export async function wish(wanted, what, camera = now.camera) {
  const settings = await tried(() => change(camera, wanted), what);
  if (camera !== now.camera) return false;
  if (settings) { put($("alert"), ""); show(settings); } else await load(camera);
  return Boolean(settings);
}

export async function load(camera) {
  now.camera = camera;
  const settings = await tried(() => get("settings", camera), "Settings");
  if (settings && camera === now.camera) show(settings);
}

export function show(settings) {
  if (Date.now() - now.slid > 1000) slid(settings.threshold);
  options($("source"), [["", "As configured"], ...settings.sources.map(({ source, words }) => [source, words])], settings.source);
  options($("model"), [["", "As configured"], ...settings.models.map((model) => [model, model])], settings.model);
  if (settings.labels.join("\n") === now.labels.join("\n")) return;
  now.labels = settings.labels;
  $("chips").replaceChildren(...settings.labels.map((label) => {
    const off = async () => {
      await count(now.labels.filter((each) => each !== label));
      $("labels").focus();
    };
    return make("li", {}, label, make("button", { type: "button", textContent: "×", ariaLabel: `Remove ${label}`, onclick: off }));
  }));
}

const count = (labels) => wish({ labels: labels.length ? labels : null }, "Labels");

function options(select, rows, value) {
  const all = rows.some(([each]) => each === (value ?? "")) ? rows : [...rows, [value, value]];
  const told = JSON.stringify(all);
  if (select.dataset.told !== told) select.replaceChildren(...all.map(([each, words]) => new Option(words, each)));
  [select.dataset.told, select.value] = [told, value ?? ""];
}

// The labels that may be named are those of the model that runs.
export async function ran(camera, model) {
  if (!model || now.model === `${camera} ${model}`) return;
  now.model = `${camera} ${model}`;
  const told = await get("labels", camera).catch(() => null);
  if (told) $("known").replaceChildren(...told.labels.map((label) => make("option", { value: label })));
  else now.model = null;
}

function slid(threshold) {
  $("threshold").value = threshold;
  put($("threshold-shown"), percent(threshold));
  answers.threshold = Number(threshold);
  answers.again();
}

let waiting;
$("threshold").oninput = ({ target }) => {
  now.slid = Date.now();
  slid(target.value);
  clearTimeout(waiting);
  waiting = setTimeout(wish, 150, { threshold: Number(target.value) }, "Threshold", now.camera);
};

function top(classes) {
  answers.top = classes;
  $("top").value = classes;
  put($("top-shown"), `${classes}`);
  kept.set("top", classes);
  answers.again();
}
top(Number(kept.get("top")) || 5);
$("top").oninput = ({ target }) => top(Number(target.value));

$("source").onchange = ({ target }) => wish({ source: target.value || null }, "Camera");
$("model").onchange = ({ target }) => wish({ model: target.value || null }, "Model");
$("settings").onsubmit = async (event) => {
  event.preventDefault();
  const label = $("labels").value.trim();
  if (label && !now.labels.includes(label) && !await count([...now.labels, label])) return;
  $("labels").value = "";
};
