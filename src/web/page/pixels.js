// An image as measured: float values and mask bits, with the numbers that a display needs.

const HEADER_BYTES = 16;
const MAGIC = 0x58504c53; // "SLPX", little endian

// parse(buffer): the answer of /api/image/ID/pixels — u32 magic, width, height, reserved; f32 values; u8 mask.
export function parse(buffer) {
  const head = new Uint32Array(buffer, 0, 4);
  if (head[0] !== MAGIC) throw new Error("not a pixel block");
  const [width, height] = [head[1], head[2]];
  const count = width * height;
  if (buffer.byteLength !== HEADER_BYTES + 5 * count) throw new Error("pixel block has a wrong size");
  const values = new Float32Array(buffer, HEADER_BYTES, count);
  const mask = new Uint8Array(buffer, HEADER_BYTES + 4 * count, count);
  return { width, height, values, mask, ...limits(values, mask) };
}

// Percentiles over unmasked pixels, from a sorted copy (a quarter of a million numbers sort in a few ms; larger
// images are sampled evenly).
function limits(values, mask) {
  const step = Math.max(1, Math.floor(values.length / 262144));
  const good = new Float32Array(Math.ceil(values.length / step));
  let n = 0;
  for (let i = 0; i < values.length; i += step) if (!mask[i] && Number.isFinite(values[i])) good[n++] = values[i];
  const sorted = good.subarray(0, n).sort();
  const at = (p) => (n ? sorted[Math.min(n - 1, Math.floor((p / 100) * n))] : 0);
  return { sorted, percentile: at, smallest: at(0), largest: n ? sorted[n - 1] : 0 };
}

export const SCALES = ["log", "asinh", "sqrt", "linear"];

// A function value -> 0..1 for a scale and a window [low, high] in counts.
export function mapper(scale, low, high) {
  const span = Math.max(high - low, 1e-12);
  switch (scale) {
    case "log": {
      // one count (or a thousandth of the window, for data below one) is the smallest difference that shows
      const unit = span > 20 ? 1 : span / 1000;
      const top = Math.log1p(span / unit);
      return (v) => Math.log1p(Math.max(v - low, 0) / unit) / top;
    }
    case "asinh": {
      const unit = span / 100;
      const top = Math.asinh(100);
      return (v) => Math.asinh((v - low) / unit) / top;
    }
    case "sqrt":
      return (v) => Math.sqrt(Math.max(v - low, 0) / span);
    default:
      return (v) => (v - low) / span;
  }
}

// Azimuthal average about a centre (pixels); radius bins of one pixel. Returns {radius, mean}.
export function profile(image, centre) {
  const [cx, cy] = centre;
  const bins = Math.ceil(Math.hypot(Math.max(cx, image.width - cx), Math.max(cy, image.height - cy))) + 1;
  const sum = new Float64Array(bins);
  const count = new Uint32Array(bins);
  for (let y = 0, i = 0; y < image.height; y++) {
    const dy = y + 0.5 - cy;
    for (let x = 0; x < image.width; x++, i++) {
      if (image.mask[i]) continue;
      const bin = Math.round(Math.sqrt((x + 0.5 - cx) ** 2 + dy * dy));
      if (bin < bins) {
        sum[bin] += image.values[i];
        count[bin]++;
      }
    }
  }
  const radius = [], mean = [];
  for (let b = 0; b < bins; b++) {
    if (count[b] < 3) continue;
    radius.push(b);
    mean.push(sum[b] / count[b]);
  }
  return { radius, mean };
}
