/**
 * The way between two images of the map, as a strip of pictures.
 */

import { showError } from "../announce.js";
import { showPicture } from "../ask.js";
import { Latest } from "../latest.js";
import { described, find, urlOf } from "../page.js";

const STEPS = 9;
const PATH = described.prior === "gaussian_mixture" ? "density" : "slerp";

/** The panel of the walk. */
export class Walk {
  constructor() {
    this.panel = find("[data-walk]", HTMLElement);
    this.hint = find("[data-walk-hint]", HTMLElement);
    this.picture = find("[data-walk-picture]", HTMLImageElement);
    this.open = find("[data-walk-open]", HTMLAnchorElement);
    this.button = find("[data-walk-begin]", HTMLButtonElement);
    this.shown = "";
    this.latest = new Latest();
  }

  /**
   * @param {boolean} on Whether images are chosen now.
   * @param {string} words What to do next.
   * @param {number} a The image where it begins; -1: none yet.
   * @param {number} b Where it ends.
   */
  show(on, words, a, b) {
    this.button.setAttribute("aria-pressed", String(on));
    this.panel.hidden = !on;
    this.hint.textContent = words;
    const both = a >= 0 && b >= 0;
    const wanted = both ? `${a} ${b}` : "";
    this.open.hidden = !both;
    if (both) {
      this.open.href = urlOf("explorer", { at: `map:${a}`, to: `map:${b}`, path: PATH === "density" ? null : PATH });
    }
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.latest.stop();
      this.picture.hidden = true;
      if (both) {
        this.load(a, b).catch(showError);
      }
    }
  }

  /** @param {number} a @param {number} b */
  async load(a, b) {
    const url = urlOf("interpolate", { from: `map:${a}`, to: `map:${b}`, path: PATH, steps: STEPS });
    await this.latest.ask((signal) => showPicture(this.picture, url, signal));
    this.picture.alt = `${STEPS} images on the way from image ${a} to image ${b}`;
    this.picture.hidden = false;
  }
}
