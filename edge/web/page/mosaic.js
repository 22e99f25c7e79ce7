// All cameras side by side. A browser has too few connections to one host for a stream of each: pictures are asked for
// one by one.

import { Refused, ask, get, pause, place } from "./api.js";
import { paint } from "./stream.js";
import { make, percent, put } from "./words.js";

const [EACH_FPS, ALL_FPS] = [10, 15];

export class Tile {
  // fared: gets each status. lost: as of a Line.
  constructor(name, short, cameras, { chosen, fared, lost }) {
    Object.assign(this, { name, short, fared, lost, over: false, runs: false, threshold: 2, periodMs: 1000 / Math.min(EACH_FPS, ALL_FPS / cameras) });
    this.canvas = make("canvas", { width: 640, height: 480 });
    this.words = make("span", { className: "veil", textContent: "No picture yet" });
    this.fps = make("span", { className: "rate" });
    this.sees = make("span", { className: "sees" });
    const foot = make("span", { className: "foot" }, make("span", { textContent: short }), this.sees, this.fps);
    this.element = make("button", { onclick: chosen }, this.canvas, this.words, foot);
    this.pictures();
    this.vitals();
  }

  stop() { this.over = true; }

  veil(words) {
    put(this.words, words);
    this.words.hidden = !words;
  }

  async pictures() {
    while (!this.over) {
      const begun = performance.now();
      let wait = this.periodMs;
      if (!document.hidden) {
        try {
          const [picture, result] = await Promise.all([
            ask(place("picture.jpg", this.name)).then((answer) => answer.blob()),
            this.runs && get("result", this.name).catch(() => null),
          ]);
          await paint(this.canvas, picture, this);
          this.veil("");
          const best = this.runs && result?.answer[0];
          put(this.sees, best ? `${best.label} ${percent(best.score)}` : "");
          this.sees.classList.toggle("over", best?.score >= this.threshold);
        } catch (error) {
          wait = 1000;
          this.veil(error instanceof Refused ? error.message : "No picture comes");
        }
      }
      await pause(Math.max(0.02, (wait - (performance.now() - begun)) / 1000));
    }
  }

  async vitals() {
    get("settings", this.name).then(({ threshold }) => { this.threshold = threshold; }, () => {});
    for (let tries = 0; !this.over; tries++) {
      const status = await get("status", this.name).catch((error) => { if (!this.over) this.lost(error, tries); });
      if (status && !this.over) {
        tries = -1;
        const how = status.paused ? "paused" : status.condition;
        this.runs = how === "running";
        if (!this.runs) put(this.sees, "");
        const sees = this.runs && status.label;
        put(this.fps, this.runs ? `${(status.fps ?? 0).toFixed(0)} FPS` : how);
        this.element.ariaLabel = `${this.short}, ${how}${sees ? `, ${sees}` : ""}: show it alone`;
        this.fared(status);
      }
      await pause(1);
    }
  }
}
