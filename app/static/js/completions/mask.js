/**
 * Which pixels of an image are missing, and that as a text for an address.
 */

/** The names of masks that have one: halves, as `hide` of `/complete` has them, and the middle. */
export const PRESETS = ["upper", "lower", "left", "right", "middle"];

/** @type {Record<string, (row: number, column: number, height: number, width: number) => boolean>} */
const MISSING = {
  none: () => false,
  upper: (row, _column, height) => row < Math.floor(height / 2),
  lower: (row, _column, height) => row >= Math.floor(height / 2),
  left: (_row, column, _height, width) => column < Math.floor(width / 2),
  right: (_row, column, _height, width) => column >= Math.floor(width / 2),
  middle: (row, column, height, width) =>
    row >= height / 4 && row < (3 * height) / 4 && column >= width / 4 && column < (3 * width) / 4,
};

/** A mask of height x width pixels. */
export class Mask {
  /** @param {number} height @param {number} width @param {Uint8Array} missing A pixel each, row by row; 1: missing. */
  constructor(height, width, missing = new Uint8Array(height * width)) {
    this.height = height;
    this.width = width;
    this.missing = missing;
  }

  /**
   * Read a mask: a preset's name, `none`, or bits as base64url, row by row, the first in a byte's highest bit.
   * @param {string} text
   * @param {number} height
   * @param {number} width
   * @returns {Mask | null} null: it is no mask of this size, as of a model with images of another.
   */
  static read(text, height, width) {
    const mask = new Mask(height, width);
    if (Object.hasOwn(MISSING, text)) {
      mask.missing.forEach((_, i) => {
        mask.missing[i] = Number(MISSING[text](Math.floor(i / width), i % width, height, width));
      });
      return mask;
    }
    let bytes;
    try {
      bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    } catch {
      return null;
    }
    if (bytes.length !== Math.ceil((height * width) / 8)) {
      return null;
    }
    mask.missing.forEach((_, i) => {
      mask.missing[i] = (bytes.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
    });
    return mask;
  }

  /** The shortest text that `read` reads as this mask. */
  text() {
    const named = ["none", ...PRESETS].find((name) => this.equals(Mask.read(name, this.height, this.width)));
    if (named) {
      return named;
    }
    const bytes = new Uint8Array(Math.ceil(this.missing.length / 8));
    this.missing.forEach((bit, i) => {
      bytes[i >> 3] |= bit << (7 - (i & 7));
    });
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  /** @param {Mask | null} other */
  equals(other) {
    return other !== null && this.missing.every((bit, i) => bit === other.missing[i]);
  }

  copy() {
    return new Mask(this.height, this.width, this.missing.slice());
  }

  /** How many pixels are missing. */
  count() {
    return this.missing.reduce((sum, bit) => sum + bit, 0);
  }

  invert() {
    this.missing.forEach((bit, i) => {
      this.missing[i] = 1 - bit;
    });
  }

  /**
   * @param {number} row
   * @param {number} column
   * @param {number} value
   */
  set(row, column, value) {
    if (row >= 0 && row < this.height && column >= 0 && column < this.width) {
      this.missing[row * this.width + column] = value;
    }
  }

  /**
   * Paint a round spot around a pixel.
   * @param {number} row
   * @param {number} column
   * @param {number} size Its diameter in pixels, odd.
   * @param {number} value 1: away; 0: back.
   */
  spot(row, column, size, value) {
    const radius = (size - 1) / 2;
    for (let down = -radius; down <= radius; down += 1) {
      for (let along = -radius; along <= radius; along += 1) {
        if (down ** 2 + along ** 2 <= (size / 2) ** 2) {
          this.set(row + down, column + along, value);
        }
      }
    }
  }

  /**
   * Paint spots on the way from one pixel to another, without gaps.
   * @param {[number, number]} from Row and column.
   * @param {[number, number]} to
   * @param {number} size
   * @param {number} value
   */
  stroke(from, to, size, value) {
    const steps = Math.max(1, Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1]));
    for (let step = 0; step <= steps; step += 1) {
      const at = (/** @type {0 | 1} */ axis) => Math.round(from[axis] + ((to[axis] - from[axis]) * step) / steps);
      this.spot(at(0), at(1), size, value);
    }
  }

  /**
   * Paint a rectangle between two corners, both within it.
   * @param {[number, number]} from
   * @param {[number, number]} to
   * @param {number} value
   */
  rectangle(from, to, value) {
    for (let row = Math.min(from[0], to[0]); row <= Math.max(from[0], to[0]); row += 1) {
      for (let column = Math.min(from[1], to[1]); column <= Math.max(from[1], to[1]); column += 1) {
        this.set(row, column, value);
      }
    }
  }
}
