/**
 * The numbers beside a picture whose places are codes.
 */

import { find, make } from "./page.js";

/** @typedef {{value: number, at: number}} Tick at: CSS pixels from the left or the upper edge of the picture. */

export const SPACE = 45; // CSS pixels of the picture that there are for each number, as a rule
const APART = { x: 36, y: 20 }; // CSS pixels between two numbers, by the side

/** The numbers along one side of a picture. */
export class Ruler {
  /** @param {"x" | "y"} side Below the picture, or to its left. */
  constructor(side) {
    this.numbers = find(`[data-ruler="${side}"]`, HTMLElement);
    this.name = find(`[data-ruler-name="${side}"]`, HTMLElement);
    this.apart = APART[side];
    this.edge = /** @type {"left" | "top"} */ (side === "x" ? "left" : "top");
    this.shown = "";
  }

  /**
   * @param {Tick[]} ticks Those too near to one closer to zero are left out.
   * @param {string} name Of what is told.
   */
  show(ticks, name) {
    /** @type {Tick[]} */
    const kept = [];
    for (const tick of [...ticks].sort((a, b) => Math.abs(a.value) - Math.abs(b.value))) {
      if (kept.every(({ at }) => Math.abs(at - tick.at) >= this.apart)) {
        kept.push(tick);
      }
    }
    const wanted = kept.map(({ value, at }) => `${value}@${at.toFixed(1)}`).join();
    this.name.textContent = name;
    if (wanted !== this.shown) {
      this.shown = wanted;
      this.numbers.replaceChildren(...kept.map((tick) => this.label(tick)));
    }
  }

  /** @param {Tick} tick */
  label({ value, at }) {
    const label = make("span", { text: String(value).replace("-", "−") });
    label.style[this.edge] = `${at}px`;
    return label;
  }
}
