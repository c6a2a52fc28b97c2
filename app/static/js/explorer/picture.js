/**
 * The large picture. It follows the slider: the newest request wins, and none queue.
 */

import { showError } from "../announce.js";
import { Newest } from "../newest.js";
import { described, find } from "../page.js";
import { picture } from "../pictures.js";

/**
 * @typedef {object} Shown What there is a picture of.
 * @property {string} point
 * @property {"mean" | "draw"} render
 * @property {string} noise Of a draw: a seed, or `SEED/K` for what image K of a seed has.
 */

/**
 * Its public address; every point has one that never changes, so what was seen comes out of the browser's cache.
 * @param {Shown} shown
 * @returns {{path: string, parameters: import("../page.js").Parameters}}
 */
export function addressed({ point, render, noise }) {
  if (render === "mean") {
    return { path: "decode", parameters: { points: point } };
  }
  const [seed, offset] = /^(.+)\/(\d+)$/.exec(noise)?.slice(1) ?? [noise, "0"];
  const ofImage = { seed, offset: offset === "0" ? null : offset };
  return { path: "samples", parameters: { of: point, temperature: 0, render, n: 1, ...ofImage } };
}

/** The canvas holds the model's own pixels; the stylesheet makes them large, which costs no time. */
export class Picture {
  constructor() {
    this.canvas = find("canvas[data-picture]", HTMLCanvasElement);
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    const [height, width] = described.shape;
    Object.assign(this.canvas, { width, height });
    this.asked = "";
    /** @type {Newest<Shown>} */
    this.newest = new Newest((shown) => this.draw(shown));
  }

  /** @param {Shown} shown */
  show(shown) {
    const key = JSON.stringify(shown);
    if (key === this.asked) {
      return;
    }
    this.asked = key;
    this.newest.ask(shown).catch(showError);
  }

  /** @param {Shown} shown */
  async draw(shown) {
    const { path, parameters } = addressed(shown);
    try {
      const bitmap = await picture(path, parameters, { priority: "high" });
      this.context.drawImage(bitmap, 0, 0);
      bitmap.close();
      Object.assign(this.canvas.dataset, { render: shown.render, point: shown.point });
      showError(null);
    } catch (error) {
      this.asked = "";
      showError(error);
    }
  }
}
