// What goes on without an end: pictures, as a multipart answer whose parts tell number and age; and news, as
// server-sent events. Both are asked for again when they end, fail or fall silent.

import { ask, pause, place } from "./api.js";

const AGAIN_S = [0.3, 0.6, 1, 2, 3];

const ASCII = new TextDecoder("latin1");

// Keeps an answer going, for what has a `read`, which gets it, and what to call with each sign of life. lost: gets why
// there is none, and how often it was asked for in vain before.
class Line {
  constructor(address, lost, silentS, more) {
    Object.assign(this, { address, lost, silentS, over: false, abort: null, ...more });
    this.run();
  }

  stop() { this.over = true; this.abort?.abort(); }

  async run() {
    for (let tries = 0; !this.over; tries++) {
      const abort = this.abort = new AbortController();
      let timer;
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(new DOMException("", "TimeoutError")), this.silentS * 1000);
      };
      wait();
      try {
        const answer = await ask(this.address, { signal: abort.signal });
        await this.read(answer, () => { wait(); tries = 0; });
        throw new TypeError("it ended");
      } catch (error) {
        if (!this.over) this.lost(error, tries);
      } finally {
        clearTimeout(timer);
        abort.abort();
      }
      if (!this.over) await pause(AGAIN_S[Math.min(tries, AGAIN_S.length - 1)]);
    }
  }
}

async function* parts(body) {
  const reader = body.getReader();
  let have = new Uint8Array(0);
  const more = async () => {
    const { value, done } = await reader.read();
    if (done) return false;
    const joined = new Uint8Array(have.length + value.length);
    joined.set(have);
    joined.set(value, have.length);
    have = joined;
    return true;
  };
  try {
    for (;;) {
      let end;
      while ((end = ASCII.decode(have.subarray(0, 4096)).indexOf("\r\n\r\n")) < 0) {
        if (have.length > 4096 || !await more()) return;
      }
      const head = ASCII.decode(have.subarray(0, end));
      const [from, to] = [end + 4, end + 4 + number(head, "Content-Length")];
      if (!(to < 64e6)) return;
      while (have.length < to) if (!await more()) return;
      const data = have.slice(from, to);
      have = have.slice(to);
      yield { head, data, at: performance.now() };
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

const number = (head, name) => Number(new RegExp(`^${name}: (.*)`, "im").exec(head)?.[1]);

// Draws a JPEG on a canvas, which becomes as large as it is; not where it is over by the time that it is decoded.
export async function paint(canvas, blob, line) {
  const picture = await createImageBitmap(blob);
  if (!line.over) {
    if (canvas.width !== picture.width || canvas.height !== picture.height) [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d", { alpha: false, desynchronized: true }).drawImage(picture, 0, 0);
  }
  picture.close();
}

// Clocks of two machines part by so much at most; they tell how much longer one was on its way than the quickest.
const DRIFT = 1e-4;

// Shows a camera on a canvas until it is stopped; of pictures that come faster than they are drawn, the newest. told:
// gets the age in milliseconds, the width over the height and the number of each.
export class Pictures extends Line {
  constructor(canvas, camera, told, lost) {
    super(place("stream.mjpg", camera), lost, 5, { canvas, told, newest: null, busy: false });
  }

  async read(answer, alive) {
    let [least, before] = [Infinity, 0];
    for await (const part of parts(answer.body)) {
      alive();
      if (this.over) return;
      const way = part.at - number(part.head, "X-Sent-Ms");
      least = Math.min(least + (part.at - before) * DRIFT, way);
      before = part.at;
      this.newest = { ...part, late: way - least };
      if (!this.busy) this.draw();
    }
  }

  async draw() {
    this.busy = true;
    while (this.newest && !this.over) {
      const { head, data, at, late } = this.newest;
      this.newest = null;
      try {
        await paint(this.canvas, new Blob([data], { type: "image/jpeg" }), this);
        if (!this.over) this.told(number(head, "X-Age-Ms") + late + performance.now() - at, this.canvas.width / this.canvas.height, number(head, "X-Frame"));
      } catch { /* a picture that is none: the next one comes */ }
    }
    this.busy = false;
  }
}

// What happens at a camera. told: functions by the names of events; lost: as of a Line.
export class News extends Line {
  constructor(camera, told, lost) { super(place("updates", camera), lost, 8, { told }); }

  async read(answer, alive) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let have = "";;) {
      const { value, done } = await reader.read();
      if (done || this.over) return;
      const events = (have + value).split("\n\n");
      have = events.pop();
      for (const event of events) {
        const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(event) || [];
        if (name) { alive(); this.told[name]?.(JSON.parse(data)); }
      }
    }
  }
}
