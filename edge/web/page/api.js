import { toast } from "./words.js";

export class Refused extends Error {
  constructor(status, words) { super(words); this.status = status; }
}

const listeners = { login: () => {} };
export function onLogin(ask) { listeners.login = ask; }

export function place(path, camera, more = {}) {
  const given = new URLSearchParams(more);
  if (camera) given.set("camera", camera);
  const query = given.toString();
  return `/api/v1/${path}${query ? `?${query}` : ""}`;
}

export async function ask(address, options = {}) {
  const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(8000), ...options });
  if (answer.ok) return answer;
  let words = `${answer.status} ${answer.statusText}`;
  try { words = (await answer.json()).error || words; } catch { /* it is no JSON */ }
  if (answer.status === 401) listeners.login();
  throw new Refused(answer.status, words);
}

export const get = async (path, camera, more) => (await ask(place(path, camera, more))).json();

export const json = (method, told) => ({ method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) });

export const change = async (camera, wish) => (await ask(place("settings", camera), json("PATCH", wish))).json();

export const pause = (seconds) => new Promise((then) => setTimeout(then, seconds * 1000));

export const why = ({ name, message }) => (/^(Type|Timeout)Error$/.test(name) ? "the server does not answer" : message);

// What the work gives; null, and a line on the page, where it fails.
export async function tried(work, what) {
  try {
    return await work();
  } catch (error) {
    if (error.status !== 401) toast(`${what}: ${why(error).replace(new RegExp(`^${what}: `, "i"), "")}`, true);
    return null;
  }
}
