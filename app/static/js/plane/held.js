/**
 * The codes of the held-out images of a map, and what they say of a plane.
 */

import { ask } from "../ask.js";
import { readNpy } from "../npy.js";
import { urlOf } from "../page.js";
import { once } from "../remembered.js";

/** @typedef {{x: number, y: number}} Place A code's two axes of a plane. */

/** Held-out images: their codes, and the numbers of their classes. */
export class HeldOut {
  /**
   * @param {ArrayLike<number>} codes Row by row.
   * @param {number} axes In a row.
   * @param {ArrayLike<number>} classes Empty: the images have none.
   */
  constructor(codes, axes, classes) {
    this.codes = codes;
    this.axes = axes;
    this.classes = classes;
    this.count = codes.length / axes;
  }

  /** @param {number} k @param {number} axis */
  at(k, axis) {
    return this.codes[k * this.axes + axis];
  }

  /** The share of the images whose code is smaller on an axis. @param {number} axis @param {number} value */
  below(axis, value) {
    let found = 0;
    for (let k = 0; k < this.count; k++) {
      found += Number(this.at(k, axis) < value);
    }
    return found / this.count;
  }

  /**
   * The class of the image nearest to a code, of a model of two axes.
   * @param {Place} code @param {number} x The axis to the right. @param {number} y The one upwards.
   */
  classNear(code, x, y) {
    let [nearest, least] = [0, Infinity];
    for (let k = 0; k < this.count; k++) {
      const apart = (this.at(k, x) - code.x) ** 2 + (this.at(k, y) - code.y) ** 2;
      if (apart < least) {
        [nearest, least] = [k, apart];
      }
    }
    return this.classes[nearest];
  }

  /**
   * How many images lie in each cell of a plane, row by row from the top.
   * @param {number} cells In a row, and rows.
   * @param {(k: number) => {x: number, y: number}} placeOf Of image k, in parts of the plane's sides from its upper left corner.
   */
  counts(cells, placeOf) {
    const counts = new Array(cells * cells).fill(0);
    for (let k = 0; k < this.count; k++) {
      const { x, y } = placeOf(k);
      if (x >= 0 && x < 1 && y >= 0 && y < 1) {
        counts[Math.floor(y * cells) * cells + Math.floor(x * cells)] += 1;
      }
    }
    return counts;
  }
}

/** Those of this page's model, which has a map. */
export const heldOut = once(async () => {
  const [codes, classes] = await Promise.all(
    ["z_mean", "classes"].map(async (array) => readNpy(await (await ask(urlOf("map.npy", { array }))).arrayBuffer())),
  );
  return new HeldOut(codes.numbers, codes.shape[1], classes.numbers);
});
