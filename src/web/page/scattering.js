// Where in scattering a pixel lies: its radius about the beam, and the momentum transfer where the geometry is known.

export class Scattering {
  // detail: what the program tells of the image (centre_px, q); without, radii are about the image's centre.
  constructor(image, detail) {
    this.known = Boolean(detail && detail.centre_px);
    this.centre = this.known ? detail.centre_px : [image.width / 2, image.height / 2];
    this.geometry = (detail && detail.q) || null;
  }

  // 1/nm, of a radius in pixels
  q(radius) {
    return this.geometry.per_nm * Math.sin(Math.atan(radius / this.geometry.distance_px) / 2);
  }

  // Of pixel [x, y]: "r 57.3 px  q 1.24 nm⁻¹  d 5.07 nm"; nothing where the beam is not known.
  placeText([x, y]) {
    if (!this.known) return "";
    const radius = Math.hypot(x + 0.5 - this.centre[0], y + 0.5 - this.centre[1]);
    if (!this.geometry) return `r ${radius.toFixed(1)} px`;
    const q = this.q(radius);
    return `r ${radius.toFixed(1)} px  q ${q.toPrecision(3)} nm⁻¹  d ${((2 * Math.PI) / q).toPrecision(3)} nm`;
  }
}
