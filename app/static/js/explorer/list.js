/**
 * The list of axes: the most informative first, the rest on demand, and those that know nothing folded away.
 */

import { described, find } from "../page.js";
import { UNITS, ordered } from "./axes.js";
import { Row } from "./row.js";

export const FIRST = 12;

/** All rows, and which of them are seen. */
export class List {
  /** @param {import("./row.js").Moves} moves */
  constructor(moves) {
    const { active, inactive } = ordered(described.axes);
    this.active = active;
    this.rows = new Map([...active, ...inactive].map((axis) => [axis, new Row(axis, moves)]));
    this.folded = find("details[data-inactive]", HTMLDetailsElement);
    this.more = find("button[data-more]", HTMLButtonElement);
    find("[data-active-axes]", HTMLElement).append(...active.map((axis) => this.row(axis).element));
    find("[data-inactive-axes]", HTMLElement).append(...inactive.map((axis) => this.row(axis).element));
    this.folded.hidden = inactive.length === 0;
    /** @type {ImageBitmap | null} */
    this.sheet = null;
    this.folded.addEventListener("toggle", () => this.cutStrips());
  }

  /** @param {number} axis */
  row(axis) {
    return /** @type {Row} */ (this.rows.get(axis));
  }

  /** @param {boolean} all */
  unfold(all) {
    const rest = this.active.slice(FIRST);
    for (const axis of rest) {
      this.row(axis).element.hidden = !all;
    }
    this.more.hidden = rest.length === 0;
    this.more.textContent = all ? `Show the first ${FIRST} axes only` : `Show all ${this.active.length} active axes`;
    this.more.setAttribute("aria-expanded", String(all));
    this.cutStrips();
  }

  /** @param {string} name */
  setUnit(name) {
    const unit = name === "deviations" || name === "quantile" ? UNITS[name] : UNITS.value;
    for (const row of this.rows.values()) {
      row.setUnit(unit);
    }
    for (const choice of document.querySelectorAll('input[name="unit"]')) {
      const radio = /** @type {HTMLInputElement} */ (choice);
      radio.checked = UNITS[/** @type {import("./axes.js").UnitName} */ (radio.value)] === unit;
    }
  }

  /** @param {number[]} code */
  show(code) {
    for (const row of this.rows.values()) {
      if (row.value !== code[row.axis] || row.slider.min === "") {
        row.show(code[row.axis]);
      }
    }
  }

  /** @param {Set<number>} locked */
  showLocks(locked) {
    for (const row of this.rows.values()) {
      row.lock.checked = locked.has(row.axis);
      row.element.classList.toggle("locked", row.lock.checked);
    }
  }

  /** @param {ImageBitmap} sheet */
  showStrips(sheet) {
    this.sheet?.close();
    this.sheet = sheet;
    this.cutStrips();
  }

  /** Only what is seen is cut. */
  cutStrips() {
    for (const row of this.seen()) {
      if (this.sheet) {
        row.showStrip(this.sheet);
      }
    }
  }

  seen() {
    return [...this.rows.values()].filter(
      (row) => !row.element.hidden && (this.folded.open || !this.folded.contains(row.element)),
    );
  }

  /** The axis whose controls have the focus. */
  focused() {
    const found = document.activeElement?.closest("[data-axis]");
    return found instanceof HTMLElement ? Number(found.dataset.axis) : null;
  }

  /** @param {number} axis */
  focus(axis) {
    const { element, slider } = this.row(axis);
    this.folded.open ||= this.folded.contains(element);
    element.scrollIntoView({ block: "nearest" });
    slider.focus();
  }

  /**
   * Go to the next axis that is seen, or the one before.
   * @param {-1 | 1} by
   */
  step(by) {
    const seen = this.seen();
    const at = seen.findIndex((row) => row.axis === this.focused());
    const next = at < 0 ? seen[0] : seen[at + by];
    if (next) {
      this.focus(next.axis);
    }
  }
}
