import { draw } from "./draw.js";
import { $, fit, make, percent, put } from "./words.js";

const SPEAK_MS = 4000;
const KEPT = 16;

export const answers = {
  newest: [], seen: null, top: 5, threshold: 2, spoken: "", spokenAt: 0, off: "", sums: [0, 0, 0], count: 0,

  show(answer) {
    this.newest = [answer, ...this.newest].slice(0, KEPT);
    this.again();
  },

  again() {
    const classes = (this.newest[0]?.answer || []).slice(0, this.top).filter(({ score }, i) => !i || score >= 0.005);
    const list = $("answers");
    fit(list, classes.length, row);
    classes.forEach((each, i) => {
      const item = list.children[i];
      const [label, score, track] = item.children;
      put(label, each.label);
      put(score, percent(each.score));
      track.children[0].style.width = `${100 * Math.min(1, each.score)}%`;
      track.children[1].style.left = `${100 * Math.min(1, this.threshold)}%`;
      item.classList.toggle("over", each.score >= this.threshold);
    });
    $("none").hidden = classes.length > 0;
    this.over();
  },

  // Those over the picture: of the frame that is seen, where its answer came; else what all say for a while.
  over() {
    const [newest, ...others] = this.newest;
    const own = this.newest.find(({ frame }) => frame === this.seen);
    const steady = others.slice(0, 3).every(({ answer }) => answer[0]?.label === newest.answer[0]?.label);
    draw($("overlay"), this.seen === null || (!own && !steady) ? null : own || newest, this);
  },

  saw(frame) {
    this.seen = frame;
    this.over();
  },

  // words: why there are none.
  clear(words) {
    [this.newest, this.seen] = [[], null];
    put($("none"), words);
    this.again();
    this.stages();
  },

  count_(took) {
    [took.preprocess_ms, took.inference_ms, took.postprocess_ms].forEach((ms, i) => { this.sums[i] += ms; });
    this.count += 1;
  },

  // Mean milliseconds of each stage since it was asked last; none where there was no answer.
  stages() {
    const means = this.count ? this.sums.map((sum) => sum / this.count) : [NaN, NaN, NaN];
    [this.sums, this.count] = [[0, 0, 0], 0];
    return means;
  },

  // What is there by the rules, at most every few seconds.
  speak(status) {
    const off = status.paused ? "paused" : status.condition === "recovering" ? "no picture" : "";
    const subject = off || status.label || "nothing above the threshold";
    $("picture").setAttribute("aria-label", `What the camera ${status.name} sees: ${subject}`);
    const now = Date.now();
    if (subject === this.spoken || (!off && !this.off && now - this.spokenAt < SPEAK_MS)) return;
    [this.spoken, this.spokenAt, this.off] = [subject, now, off];
    put($("spoken"), subject === status.label ? `${subject}, ${percent(status.score ?? 0)}` : subject);
  },
};

function row() {
  const track = make("div", { className: "track" }, make("div", { className: "fill" }), make("div", { className: "mark-at" }));
  return make("li", {}, make("span", { className: "label" }), make("span", { className: "score" }), track);
}

new ResizeObserver(() => answers.over()).observe($("overlay"));
