// Each picture is sent when the one before has arrived, so that none waits in a queue.

import { ask, pause, place, tried, why } from "./api.js";
import { $, put } from "./words.js";

const [WIDTH, QUALITY, MOST_FPS] = [640, 0.8, 30];

const sender = Math.random().toString(36).slice(2);

const WAITS = "Nothing is seen: press “Use this camera”, and allow it.";

// words: why the board does not look through it.
export const sight = { words: "" };

export function own(offered) {
  const box = $("own");
  box.hidden = !offered;
  if (!offered || box.dataset.begun) return;
  box.dataset.begun = "yes";
  const [words, button, view] = ["own-words", "own-start", "own-view"].map($);
  if (!navigator.mediaDevices?.getUserMedia) {
    words.textContent = sight.words = "A browser gives its camera only to pages by https, or of this machine: open this one by https, or on the board itself.";
    button.hidden = true;
    return;
  }
  let [stream, asking] = [null, false];
  const tell = (problem) => put(words, problem || sight.words || "The board looks through the camera of this device.");
  const shows = (is) => {
    sight.words = is ? "" : WAITS;
    view.hidden = !is;
    button.textContent = is ? "Stop" : "Use this camera";
    button.setAttribute("aria-pressed", is);
  };
  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    shows(false);
  };
  const start = async () => {
    asking = true;
    const mine = stream = await tried(() => navigator.mediaDevices.getUserMedia({
      audio: false, video: { facingMode: "environment", width: { ideal: 1280 }, frameRate: { ideal: MOST_FPS } },
    }), "Camera");
    asking = false;
    if (!mine) return tell();
    mine.getVideoTracks()[0].addEventListener("ended", stop);
    view.srcObject = mine;
    shows(true);
    view.play().catch(() => {});  // it is over already, or plays in spite of it
    send(view, () => stream === mine, tell);
  };
  shows(false);
  button.onclick = () => { if (stream) stop(); else if (!asking) start(); };
  tell();
  start();
}

// goes: whether it still does. tell: gets in words why pictures are not taken; nothing where they are.
async function send(view, goes, tell) {
  const canvas = new OffscreenCanvas(1, 1);
  const context = canvas.getContext("2d", { alpha: false });
  while (goes()) {
    const begun = performance.now();
    const [width, height] = [view.videoWidth || WIDTH, view.videoHeight || WIDTH * 0.75];
    const share = Math.min(1, WIDTH / width);
    [canvas.width, canvas.height] = [width * share, height * share].map(Math.round);
    context.drawImage(view, 0, 0, canvas.width, canvas.height);
    const body = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
    try {
      await ask(place("frame", null, { sender }), { method: "POST", headers: { "Content-Type": "image/jpeg" }, body });
      tell();
    } catch (error) {
      if (goes()) tell(`No picture is taken: ${why(error)}`);
      await pause(0.5);
    }
    await pause(1 / MOST_FPS - (performance.now() - begun) / 1000);
  }
  tell();
}
