import { json, onLogin } from "./api.js";
import { $, put, say } from "./words.js";

// A token behind the address (of the QR code) is never sent as part of one, and does not stay there.
const token = () => /^#token=([\w-]+)$/.exec(location.hash);
const given = token();
if (given) history.replaceState(null, "", location.pathname);
window.onhashchange = () => { if (token()) location.reload(); };

export async function door(begin) {
  const asks = () => {
    say("needs a token", "wait");
    if (!$("login").open) $("login").showModal();
  };
  onLogin(asks);
  $("login").oncancel = (event) => event.preventDefault();
  $("login-form").onsubmit = async (event) => {
    event.preventDefault();
    put($("login-why"), "");
    if (!await logIn($("token").value.trim())) return;
    $("token").value = "";
    $("login").close();
    begin();
  };
  $("leave").onclick = async () => {
    await fetch("/logout", { method: "POST" }).catch(() => {});
    location.reload();
  };
  if (given && !await logIn(given[1])) asks(); else begin();
}

async function logIn(token) {
  const answer = await fetch("/login", json("POST", { token })).catch(() => null);
  if (answer?.ok) return true;
  const why = answer ? (await answer.json().catch(() => ({}))).error : "the server does not answer";
  put($("login-why"), why || "that is not the token");
  return false;
}
