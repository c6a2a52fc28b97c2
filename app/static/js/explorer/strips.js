/**
 * Strips: what each axis changes, around the point that is shown. One picture has them all, and each row cuts its own.
 */

import { Latest } from "../latest.js";
import { described } from "../page.js";
import { picture } from "../pictures.js";

export const STEPS = 7;
const PAUSE = 150; // milliseconds that the sliders must rest, so that strips never take time from the picture

const [height, width] = described.shape;

/** Fetches the strips of a point when the sliders rest; the newest point wins. */
export class Strips {
  /** @param {(sheet: ImageBitmap) => void} show A row for each axis, in the order of the axes. */
  constructor(show) {
    this.show = show;
    this.timer = 0;
    this.shown = "";
    this.latest = new Latest();
  }

  /** The point moved: what is under way would be late. */
  stop() {
    clearTimeout(this.timer);
    this.latest.stop();
  }

  /** @param {string} point */
  ask(point) {
    this.stop();
    if (point === this.shown) {
      return;
    }
    this.timer = window.setTimeout(() => this.fetch(point), PAUSE);
  }

  /** @param {string} point */
  async fetch(point) {
    const parameters = { at: point, steps: STEPS };
    try {
      this.show(await this.latest.ask((signal) => picture("axes", parameters, { signal, priority: "low" })));
      this.shown = point;
    } catch {
      // Old strips stay: the picture itself shows what is wrong, if anything is.
    }
  }
}

/**
 * Cut the strip of an axis out of the sheet.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} sheet
 * @param {number} axis
 */
export function cut(canvas, sheet, axis) {
  Object.assign(canvas, { width: STEPS * width, height });
  canvas.getContext("2d")?.drawImage(sheet, 0, axis * height, STEPS * width, height, 0, 0, STEPS * width, height);
}
