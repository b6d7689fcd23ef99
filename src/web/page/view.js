// The image on its canvas: native pixels, never smoothed above 100 %; scale, window, colour map, mask, zoom and pan.

import { SCALES, mapper } from "./pixels.js";
import { MAPS, MASK_COLOUR, table } from "./colormap.js";

const WINDOWS = [[0, 100], [0.1, 99.99], [1, 99.9], [1, 99.5], [5, 99], [10, 95]];

// Colours as the 32-bit words of an ImageData.
function words(map) {
  const lut = table(map);
  const pack = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  return { colours: Uint32Array.from({ length: 256 }, (_, i) => pack(...lut.subarray(3 * i, 3 * i + 3))), masked: pack(...MASK_COLOUR) };
}

// Colours of an image into an ImageData; used by the large view and by the tiles.
export function paint(image, display) {
  const { colours, masked } = words(display.map);
  const [lo, hi] = WINDOWS[display.window];
  const map = mapper(display.scale, image.percentile(lo), image.percentile(hi));
  const colour = (v) => colours[Math.max(0, Math.min(255, Math.round(255 * map(v)))) || 0];
  const whole = new Uint32Array(65536); // colours of whole numbers, which counts are: most logarithms are taken once
  const out = new ImageData(image.width, image.height);
  const data = new Uint32Array(out.data.buffer);
  const { values, mask } = image;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    const n = v & 0xffff;
    if (mask[i]) data[i] = display.mask ? masked : colours[0];
    else if (n === v) data[i] = whole[n] || (whole[n] = colour(v));
    else data[i] = colour(v);
  }
  return out;
}

// What the physical tests saw and what the generator was told, over an image drawn at (x, y) with f canvas pixels for each of its own; odd ones last.
function drawMarks(g, marks, x, y, f) {
  const X = (column) => x + column * f;
  const Y = (row) => y + row * f;
  g.lineWidth = Math.max(1, devicePixelRatio);
  for (const m of [...marks].sort((a, b) => a.odd - b.odd)) {
    const told = m.test === "told"; // where the generator was told that something is
    g.strokeStyle = m.odd ? "#ff8c00" : told ? "#ffffff" : "#50aaff";
    g.setLineDash(told ? [3 * g.lineWidth, 5 * g.lineWidth] : []);
    g.beginPath();
    if (m.kind === "circle") g.arc(X(m.column), Y(m.row), m.size * f, 0, 2 * Math.PI);
    if (m.kind === "line") g.moveTo(X(m.column), Y(m.row)), g.lineTo(X(m.column2), Y(m.row2));
    if (m.kind === "box") g.rect(X(m.column), Y(m.row), (m.column2 - m.column) * f, (m.row2 - m.row) * f);
    if (m.kind === "point") {
      g.moveTo(X(m.column) - 4, Y(m.row)), g.lineTo(X(m.column) + 4, Y(m.row));
      g.moveTo(X(m.column), Y(m.row) - 4), g.lineTo(X(m.column), Y(m.row) + 4);
    }
    g.stroke();
  }
}

export const defaultDisplay = () => ({ scale: "log", map: "inferno", window: 2, mask: true });

export class View {
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.display = defaultDisplay();
    this.image = null;
    this.marks = [];
    this.zoom = 0; // 0: fit
    this.pan = [0, 0];
    this.bitmap = document.createElement("canvas");
    new ResizeObserver(() => {
      this.draw();
      this.onChange();
    }).observe(canvas);
    this.listen();
  }

  // null: nothing. `again`: the image that is shown already, which stays where it was moved to.
  show(image, again = false) {
    this.image = image;
    if (!again) this.pan = [0, 0], this.marks = [];
    this.render();
  }

  // What is drawn over the image until another one comes.
  overlay(marks) {
    this.marks = marks;
    this.draw();
  }

  render() {
    if (this.image) {
      this.bitmap.width = this.image.width;
      this.bitmap.height = this.image.height;
      this.bitmap.getContext("2d").putImageData(paint(this.image, this.display), 0, 0);
    }
    this.draw();
    this.onChange();
  }

  factor() {
    if (!this.image) return 1;
    const { width, height } = this.canvas;
    const fit = Math.min(width / this.image.width, height / this.image.height);
    return this.zoom ? this.zoom * devicePixelRatio : fit >= 1 ? Math.floor(fit * 4) / 4 : fit;
  }

  // Canvas position of the image's top left corner.
  origin() {
    const f = this.factor();
    return [
      Math.round((this.canvas.width - this.image.width * f) / 2 + this.pan[0] * f),
      Math.round((this.canvas.height - this.image.height * f) / 2 + this.pan[1] * f),
    ];
  }

  draw() {
    const canvas = this.canvas;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    const g = canvas.getContext("2d");
    g.fillStyle = "#05070a";
    g.fillRect(0, 0, canvas.width, canvas.height);
    if (!this.image) return;
    const f = this.factor();
    const [x, y] = this.origin();
    g.imageSmoothingEnabled = f < 1; // smaller than measured: averaging shows more than dropping pixels
    g.drawImage(this.bitmap, x, y, this.image.width * f, this.image.height * f);
    g.beginPath();
    g.rect(x, y, this.image.width * f, this.image.height * f);
    g.clip();
    drawMarks(g, this.marks, x, y, f);
  }

  // Image pixel under a mouse event, or null.
  pixelAt(event) {
    if (!this.image) return null;
    const box = this.canvas.getBoundingClientRect();
    const f = this.factor();
    const [ox, oy] = this.origin();
    const x = Math.floor(((event.clientX - box.left) * devicePixelRatio - ox) / f);
    const y = Math.floor(((event.clientY - box.top) * devicePixelRatio - oy) / f);
    return x >= 0 && y >= 0 && x < this.image.width && y < this.image.height ? [x, y] : null;
  }

  listen() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (e) => {
      from = [e.clientX, e.clientY, ...this.pan];
      this.canvas.setPointerCapture(e.pointerId);
    });
    this.canvas.addEventListener("pointermove", (e) => {
      if (!from || !e.buttons) return;
      const f = this.factor() / devicePixelRatio;
      this.pan = [from[2] + (e.clientX - from[0]) / f, from[3] + (e.clientY - from[1]) / f];
      this.draw();
    });
    this.canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const now = this.zoom || this.factor() / devicePixelRatio;
      this.zoom = Math.max(0.125, Math.min(32, now * (e.deltaY < 0 ? 1.25 : 0.8)));
      this.draw();
      this.onChange();
    }, { passive: false });
  }

  cycle(what) {
    const d = this.display;
    if (what === "scale") d.scale = SCALES[(SCALES.indexOf(d.scale) + 1) % SCALES.length];
    if (what === "map") d.map = MAPS[(MAPS.indexOf(d.map) + 1) % MAPS.length];
    if (what === "mask") d.mask = !d.mask;
    if (what === "narrower") d.window = Math.min(WINDOWS.length - 1, d.window + 1);
    if (what === "wider") d.window = Math.max(0, d.window - 1);
    if (what === "zoom") this.zoom = this.zoom ? 0 : 1, this.pan = [0, 0];
    this.render();
  }

  move(dx, dy) {
    const step = 0.1 * Math.min(this.canvas.width, this.canvas.height) / this.factor();
    this.pan = [this.pan[0] + dx * step, this.pan[1] + dy * step];
    this.draw();
  }

  windowPercent() {
    return WINDOWS[this.display.window];
  }

  zoomText() {
    return this.zoom ? `${Math.round(this.zoom * 100)} %` : this.image ? `fit ${Math.round((this.factor() / devicePixelRatio) * 100)} %` : "fit";
  }
}
