/**
 * Which part of the map is seen: a centre, and how far one has zoomed in. Pixels are those of the device.
 */

const MARGIN = 1.08; // of the whole map, so that images at its edge are whole
const FURTHEST = 400; // times the whole

/** A view onto the map, y upwards. */
export class Camera {
  /** @param {import("./places.js").Bounds} bounds Of the whole map. */
  constructor(bounds) {
    this.bounds = bounds;
    this.width = 1;
    this.height = 1;
    this.x = 0;
    this.y = 0;
    this.zoom = 1;
    this.showAll();
  }

  showAll() {
    const { left, right, bottom, top } = this.bounds;
    this.x = (left + right) / 2;
    this.y = (bottom + top) / 2;
    this.zoom = 1;
  }

  /** Whether it is where `showAll` puts it. */
  get isWhole() {
    const { left, right, bottom, top } = this.bounds;
    return this.zoom === 1 && this.x === (left + right) / 2 && this.y === (bottom + top) / 2;
  }

  /** Pixels that a unit of the map has if all of it is seen. */
  get whole() {
    const { left, right, bottom, top } = this.bounds;
    return Math.min(this.width / (right - left), this.height / (top - bottom)) / MARGIN;
  }

  /** Pixels that a unit of the map has. */
  get scale() {
    return this.whole * this.zoom;
  }

  /** @param {number} x @param {number} y @returns {[number, number]} Pixels from the upper left corner. */
  toPixels(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  /** @param {number} right @param {number} down @returns {[number, number]} The place at a pixel. */
  toPlace(right, down) {
    return [this.x + (right - this.width / 2) / this.scale, this.y - (down - this.height / 2) / this.scale];
  }

  /** @param {number} right @param {number} down Pixels by which what is seen moves. */
  move(right, down) {
    this.x -= right / this.scale;
    this.y += down / this.scale;
    this.keep();
  }

  /**
   * Zoom, while the place at a pixel stays where it is.
   * @param {number} factor
   * @param {number} right
   * @param {number} down
   */
  zoomAt(factor, right = this.width / 2, down = this.height / 2) {
    const [x, y] = this.toPlace(right, down);
    this.zoom = Math.min(FURTHEST, Math.max(0.5, this.zoom * factor));
    this.x = x - (right - this.width / 2) / this.scale;
    this.y = y + (down - this.height / 2) / this.scale;
    this.keep();
  }

  /** The map never leaves the view. */
  keep() {
    const { left, right, bottom, top } = this.bounds;
    this.x = Math.min(right, Math.max(left, this.x));
    this.y = Math.min(top, Math.max(bottom, this.y));
  }

  /**
   * Move just as far as it takes to see a place, some pixels from the edge.
   * @param {number} x
   * @param {number} y
   * @param {number} edge
   */
  see(x, y, edge) {
    const [right, down] = this.toPixels(x, y);
    const off = (/** @type {number} */ at, /** @type {number} */ size) =>
      at < edge ? edge - at : at > size - edge ? size - edge - at : 0;
    this.move(off(right, this.width), off(down, this.height));
  }
}
