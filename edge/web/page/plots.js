import { empty } from "./draw.js";

const KEPT = 60;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Of the last minute, a point each second; several lines stand upon each other.
export class Plot {
  constructor(canvas, lines = 1) {
    this.canvas = canvas;
    this.points = [];
    this.lines = lines;
  }

  clear() { this.points.length = 0; this.draw(); }

  // One value a line; one that is no number leaves a gap.
  add(...values) {
    let sum = 0;
    this.points.push(values.map((value) => (Number.isFinite(value) ? (sum += value) : null)));
    if (this.points.length > KEPT) this.points.shift();
    this.draw();
  }

  // As high as nearly all points are: one that stands out is cut off, so that others can be told apart.
  get most() {
    const tops = this.points.map((point) => point.at(-1)).filter((value) => value !== null).sort((a, b) => a - b);
    if (!tops.length) return 1;
    const usual = tops[Math.floor((tops.length - 1) * 0.9)];
    const wanted = Math.max(Math.min(tops.at(-1), usual * 2), 1e-9) * 1.1;
    const step = 10 ** Math.floor(Math.log10(wanted));
    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((share) => share * step).find((share) => share >= wanted) ?? 10 * step;
  }

  draw() {
    const { canvas, points, most } = this;
    const [context, width, height] = empty(canvas);
    context.lineWidth = 1;
    context.strokeStyle = colour("--line");
    for (const share of [0.25, 0.5, 0.75]) {
      context.beginPath();
      context.moveTo(0, Math.round(height * share) + 0.5);
      context.lineTo(width, Math.round(height * share) + 0.5);
      context.stroke();
    }
    const x = (at) => (at + KEPT - points.length) / (KEPT - 1) * width;
    const y = (value) => height - Math.min(1.02, value / most) * height;
    for (let line = this.lines - 1; line >= 0; line--) this.line(context, colour(["--a", "--b", "--c"][line]), line, x, y, height);
    context.fillStyle = colour("--soft");
    context.font = "11px system-ui, sans-serif";
    context.fillText(`${+most.toPrecision(2)}`, 5, 13);
  }

  line(context, shade, line, x, y, height) {
    const run = [];
    const finish = () => {
      if (!run.length) return;
      context.beginPath();
      run.forEach(([at, value]) => context.lineTo(x(at), y(value)));
      [context.strokeStyle, context.fillStyle, context.lineWidth] = [shade, shade, 2];
      context.stroke();
      context.lineTo(x(run.at(-1)[0]), height);
      context.lineTo(x(run[0][0]), height);
      context.globalAlpha = 0.22;
      context.fill();
      context.globalAlpha = 1;
      run.length = 0;
    };
    this.points.forEach((point, at) => (point[line] === null ? finish() : run.push([at, point[line]])));
    finish();
  }
}
