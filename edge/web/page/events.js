import { get, place, tried } from "./api.js";
import { $, make, percent, put, shared } from "./words.js";

const [PAGE, MOST] = [24, 96];

const has = { cameras: [], all: [], more: false };

export async function load(cameras) {
  const same = cameras.join("\n") === has.cameras.join("\n");
  has.cameras = cameras;
  if (!same) show([], false);
  await add(cameras);
}

async function add(cameras, before) {
  const stood = has.all;
  const told = await Promise.all(cameras.map((camera) => tried(async () => {
    const { events } = await get("events", camera, { limit: PAGE, ...before && { before } });
    return events.map((event) => ({ ...event, camera }));
  }, "Events")));
  if (cameras.join("\n") !== has.cameras.join("\n") || told.includes(null)) return;
  const kept = before ? has.all : has.all.filter((event) => !stood.includes(event));  // what came while it was asked
  const all = new Map([...kept, ...told.flat()].map((event) => [event.id, event]));
  show([...all.values()].sort((a, b) => b.at.localeCompare(a.at)), cameras.length === 1 && told[0].length === PAGE);
}

export function happened(event, camera) {
  if (!has.all.some(({ id }) => id === event.id)) show([{ ...event, camera }, ...has.all].slice(0, MOST), has.more);
}

// Those that stand there stay, so that neither focus nor pictures are lost.
function show(all, more) {
  Object.assign(has, { all, more });
  const there = new Map([...$("events").children].map((item) => [item.dataset.id, item]));
  $("events").replaceChildren(...all.map((event) => there.get(event.id) || line(event)));
  $("quiet").hidden = all.length > 0;
  $("more").hidden = !more || all.length >= MOST;
}

function line(event) {
  const lasted = event.lasted_s === null ? "" : ` after ${event.lasted_s.toFixed(1)} s`;
  const words = `${event.kind}${lasted}${event.previous ? `, before it ${event.previous}` : ""}`;
  const time = make("time", { dateTime: event.at, textContent: new Date(event.at).toLocaleString() });
  const text = make("div", { className: "text" }, make("b", { textContent: event.label }),
    make("span", { className: "score", textContent: percent(event.score) }), make("span", { className: "what", textContent: words }), time);
  if (has.cameras.length > 1) time.append(` · ${event.camera.slice(shared(has.cameras).length)}`);
  const item = make("li", {}, text);
  item.dataset.id = event.id;
  item.dataset.kind = event.kind;
  if (event.has_picture) item.prepend(picture(event, words));
  return item;
}

function picture(event, words) {
  const name = `${event.label}, ${words}`;
  const image = make("img", { alt: "", loading: "lazy", src: place(`events/${event.id}/picture`, event.camera) });
  const button = make("button", { ariaLabel: `Picture: ${name}` }, image);
  let tries = 0;
  image.onerror = () => {  // it is written a moment after its event was told
    if (tries++) button.remove(); else setTimeout(() => { image.src += "&again"; }, 1500);
  };
  button.onclick = () => {
    put($("large-name"), name);
    Object.assign($("large-picture"), { src: image.src, alt: name });
    $("large").showModal();
  };
  return button;
}

$("more").onclick = () => add(has.cameras, has.all.at(-1).id);
