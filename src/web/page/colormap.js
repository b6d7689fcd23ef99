// Colour maps as 256 RGB entries, interpolated between control points.

const POINTS = {
  gray: ["000000", "ffffff"],
  inferno: ["000004", "1b0c41", "4a0c6b", "781c6d", "a52c60", "cf4446", "ed6925", "fb9b06", "f7d13d", "fcffa4"],
  viridis: ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"],
  hot: ["000000", "b00000", "ff4a00", "ffd200", "ffffff"],
  inverted: ["ffffff", "000000"],
};

export const MAPS = Object.keys(POINTS);
export const MASK_COLOUR = [28, 46, 66];

const channel = (hex, at) => parseInt(hex.slice(at, at + 2), 16);

export function table(name) {
  const points = POINTS[name];
  const out = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (points.length - 1);
    const k = Math.min(points.length - 2, Math.floor(place));
    for (let c = 0; c < 3; c++) {
      const [a, b] = [channel(points[k], 2 * c), channel(points[k + 1], 2 * c)];
      out[3 * i + c] = a + (b - a) * (place - k);
    }
  }
  return out;
}
