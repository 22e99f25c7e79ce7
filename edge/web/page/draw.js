// As many pixels as the screen has there, none drawn; what draws on them, and their size as a page counts.
export function empty(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== across || canvas.height !== down) [canvas.width, canvas.height] = [across, down];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

// The best classes over the picture, in letters that can be read at whatever size it is shown.
export function draw(canvas, answer, { top, threshold }) {
  const [context, width, height] = empty(canvas);
  const rows = (answer?.answer || []).slice(0, Math.min(top, 3)).filter(({ score }) => score >= 0.02);
  if (!rows.length) return;
  const unit = Math.max(12, Math.min(26, width / 36));
  const [line, wide] = [unit * 1.75, Math.min(width - unit * 2, unit * 17)];
  const [left, above] = [unit * 0.6, height - rows.length * line - unit];
  context.fillStyle = "rgb(8 14 20 / .72)";
  context.beginPath();
  context.roundRect(left, above - unit * 0.2, wide + unit * 0.9, rows.length * line + unit * 0.6, unit * 0.45);
  context.fill();
  context.textBaseline = "middle";
  rows.forEach(({ label, score }, i) => {
    const [x, y, over] = [left + unit * 0.45, above + i * line, score >= threshold];
    context.fillStyle = "rgb(255 255 255 / .18)";
    context.fillRect(x, y + line * 0.84, wide, line * 0.1);
    context.fillStyle = over ? "#4fc3d9" : "#8a98a5";
    context.fillRect(x, y + line * 0.84, wide * Math.min(1, score), line * 0.1);
    context.fillStyle = over ? "#fff" : "#ccd5dc";
    context.font = `${over ? 700 : 400} ${unit}px system-ui, sans-serif`;
    const told = `${Math.round(score * 100)} %`;
    const room = wide - context.measureText(told).width - unit * 0.5;
    let shown = label;
    while (shown.length > 1 && context.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
    context.textAlign = "left";
    context.fillText(shown, x, y + line * 0.45);
    context.textAlign = "right";
    context.fillText(told, x + wide, y + line * 0.45);
  });
}
