// Two small plots: a curve on log axes, and a histogram with the window marked.

function prepare(canvas) {
  const ratio = devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  g.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  g.font = "10px system-ui, sans-serif";
  return g;
}

const text = (v) => (v === 0 ? "0" : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-2 ? v.toExponential(0) : String(+v.toPrecision(3)));

// curve(canvas, x, y, label): y on a log axis from its smallest positive value, x on a linear one.
export function curve(canvas, x, y, label) {
  const g = prepare(canvas);
  const points = x.map((v, i) => [v, y[i]]).filter(([, v]) => v > 0);
  if (points.length < 2) return;
  const [left, right, top, bottom] = [34, canvas.clientWidth - 6, 6, canvas.clientHeight - 18];
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => Math.log10(p[1]));
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  let [y0, y1] = [Math.floor(Math.min(...ys)), Math.ceil(Math.max(...ys))];
  if (y1 === y0) y1++;
  const px = (v) => left + ((v - x0) / (x1 - x0 || 1)) * (right - left);
  const py = (v) => bottom - ((v - y0) / (y1 - y0)) * (bottom - top);
  g.strokeStyle = "#2b343d";
  g.fillStyle = "#93a1ad";
  const every = Math.ceil((y1 - y0) / 5);
  for (let d = y0; d <= y1; d += every) {
    g.beginPath();
    g.moveTo(left, py(d));
    g.lineTo(right, py(d));
    g.stroke();
    g.fillText(text(10 ** d), 2, py(d) + 3);
  }
  g.fillText(text(x0), left, canvas.clientHeight - 5);
  const last = text(x1);
  g.fillText(last, right - g.measureText(last).width, canvas.clientHeight - 5);
  g.fillText(label, (left + right) / 2 - g.measureText(label).width / 2, canvas.clientHeight - 5);
  g.strokeStyle = "#e8c468";
  g.beginPath();
  points.forEach(([a, b], i) => (i ? g.lineTo(px(a), py(Math.log10(b))) : g.moveTo(px(a), py(Math.log10(b)))));
  g.stroke();
}

const BINS = 100;

// Index of the first of ascending numbers that is not below v.
function firstFrom(sorted, v) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < v) low = middle + 1;
    else high = middle;
  }
  return low;
}

// histogram(canvas, sorted, low, high): counts of log10(1 + value), with the displayed window shaded.
export function histogram(canvas, sorted, low, high) {
  const g = prepare(canvas);
  if (!sorted.length) return;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const place = (v) => Math.sign(v) * Math.log10(1 + Math.abs(v));
  const [a, b] = [place(sorted[0]), place(sorted[sorted.length - 1])];
  const value = (p) => Math.sign(p) * (10 ** Math.abs(p) - 1);
  const below = Array.from({ length: BINS + 1 }, (_, k) => (k < BINS ? firstFrom(sorted, value(a + ((b - a) * k) / BINS)) : sorted.length));
  const bins = below.slice(1).map((n, k) => n - (k ? below[k] : 0));
  const most = Math.log1p(Math.max(...bins));
  const x = (v) => ((place(v) - a) / (b - a || 1)) * width;
  g.fillStyle = "#20303f";
  g.fillRect(x(low), 0, x(high) - x(low), height);
  g.fillStyle = "#6fb1e6";
  bins.forEach((n, i) => {
    const h = (Math.log1p(n) / most) * (height - 4);
    g.fillRect((i / BINS) * width, height - h, width / BINS - 0.5, h);
  });
}
