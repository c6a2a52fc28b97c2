/**
 * The numbers beside a map whose places are codes of two axes.
 */

import { Ruler, SPACE } from "../ruler.js";
import { ticksOf } from "../ticks.js";

/** Rulers below the map and to its left. */
export class Scales {
  constructor() {
    this.x = new Ruler("x");
    this.y = new Ruler("y");
  }

  /** @param {import("./camera.js").Camera} camera @param {number} pixel Device pixels that a CSS pixel has. */
  show(camera, pixel) {
    const { width, height } = camera;
    const [left, top] = camera.toPlace(0, 0);
    const [right, bottom] = camera.toPlace(width, height);
    const across = ticksOf(left, right, width / pixel / SPACE);
    const upwards = ticksOf(bottom, top, height / pixel / SPACE);
    this.x.show(across.map((value) => ({ value, at: camera.toPixels(value, 0)[0] / pixel })), "z, axis 0");
    this.y.show(upwards.map((value) => ({ value, at: camera.toPixels(0, value)[1] / pixel })), "z, axis 1");
  }
}
