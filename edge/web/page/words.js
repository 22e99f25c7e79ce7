export const $ = (id) => document.getElementById(id);

export const percent = (share) => `${Math.round(share * 100)} %`;

export function make(tag, more = {}, ...inside) {
  const element = Object.assign(document.createElement(tag), more);
  element.append(...inside);
  return element;
}

export function fit(list, count, item) {
  while (list.children.length > count) list.lastElementChild.remove();
  while (list.children.length < count) list.append(item());
}

// A screen reader reads out again what is written again, even where it is the same.
export function put(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

// Some browsers remember nothing.
export const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* until it is closed, then */ } },
};

export function say(words, tone) {
  put($("state"), words);
  $("state").dataset.tone = tone;
}

export function veil(words) {
  put($("veil"), words);
  $("veil").hidden = !words;
}

let fades;
export function toast(words, bad = false) {
  const [box, other] = bad ? [$("alert"), $("toast")] : [$("toast"), $("alert")];
  clearTimeout(fades);
  other.textContent = "";
  box.textContent = words;
  fades = setTimeout(() => { box.textContent = ""; }, bad ? 9000 : 4000);
}

// What all names begin with: that of their process.
export function shared(names) {
  let start = names.length > 1 ? names[0].slice(0, names[0].indexOf("-") + 1) : "";
  return names.every((name) => name.startsWith(start) && name !== start) ? start : "";
}
