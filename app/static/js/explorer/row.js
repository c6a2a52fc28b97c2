/**
 * An axis: its slider with a field of numbers, its lock and its strip.
 */

import { described, make } from "../page.js";
import { FURTHEST, UNITS, rangeOf, rounded, stripValues } from "./axes.js";
import { STEPS, cut } from "./strips.js";

/**
 * @typedef {object} Moves What a row asks for.
 * @property {(axis: number, value: number) => void} move The slider moves.
 * @property {() => void} rest It was let go.
 * @property {(axis: number) => void} lock
 * @property {(axis: number) => void} reset
 */

const NUDGE = 0.25; // deviations: the step of the buttons, which are for fingers

/**
 * @param {string} text
 * @param {string} label
 * @param {() => void} act
 */
function button(text, label, act) {
  // Not in the order of the tabulator: the arrow keys of the slider do the same.
  const made = make("button", { type: "button", text, "aria-label": label, title: label, tabindex: -1 });
  made.addEventListener("click", act);
  return made;
}

/** A row of the list of axes. */
export class Row {
  /**
   * @param {number} axis
   * @param {Moves} moves
   */
  constructor(axis, moves) {
    this.axis = axis;
    this.about = described.axes[axis];
    this.moves = moves;
    this.unit = UNITS.value;
    this.value = 0;
    const id = `axis-${axis}`;
    this.slider = make("input", { type: "range", id });
    this.number = make("input", { type: "number", step: "any", "aria-label": `Axis ${axis}, as a number` });
    this.lock = make("input", { type: "checkbox", "aria-label": `Lock axis ${axis}` });
    this.canvas = make("canvas", { class: "strip-cells", role: "img", width: 1, height: 1 });
    this.mark = make("span", { class: "strip-mark", hidden: true });
    this.element = this.assemble(id);
    this.listen();
  }

  /** @param {string} id */
  assemble(id) {
    const { axis, moves } = this;
    const nats = make("button", { type: "button", class: "term", popovertarget: "term-kl", tabindex: -1 });
    nats.textContent = `${this.about.kl.toFixed(this.about.kl < 0.1 ? 3 : 1)} nats`;
    return make(
      "li",
      { class: "axis", "data-axis": axis },
      make("div", { class: "axis-name" }, make("label", { for: id, text: `Axis ${axis}` }), nats),
      make(
        "div",
        { class: "axis-slide" },
        button("−", `Axis ${axis}: a step down`, () => this.nudge(-1)),
        this.slider,
        button("+", `Axis ${axis}: a step up`, () => this.nudge(1)),
      ),
      make(
        "div",
        { class: "axis-more" },
        this.number,
        make("label", { class: "lock" }, this.lock, " lock"),
        button("reset", `reset axis ${axis} to where it began`, () => moves.reset(axis)),
      ),
      make("div", { class: "strip-frame", hidden: true }, this.canvas, this.mark),
    );
  }

  listen() {
    const { axis, moves, slider, number } = this;
    slider.addEventListener("input", () => this.moveTo(this.unit.value(this.about, slider.valueAsNumber)));
    slider.addEventListener("change", moves.rest);
    number.addEventListener("change", () => {
      if (Number.isFinite(number.valueAsNumber)) {
        this.moveTo(this.unit.value(this.about, number.valueAsNumber));
        moves.rest();
      }
      this.show(this.value);
    });
    this.lock.addEventListener("change", () => moves.lock(axis));
    this.canvas.addEventListener("click", (event) => {
      const step = Math.floor((event.offsetX / this.canvas.clientWidth) * STEPS);
      this.moveTo(stripValues(this.about, STEPS)[Math.min(STEPS - 1, Math.max(0, step))]);
      moves.rest();
    });
  }

  /** @param {number} value */
  moveTo(value) {
    this.moves.move(this.axis, Math.min(FURTHEST, Math.max(-FURTHEST, value)));
  }

  /** @param {-1 | 1} by */
  nudge(by) {
    this.moveTo(this.value + by * NUDGE * (this.about.std || 1));
    this.moves.rest();
  }

  /** @param {import("./axes.js").Unit} unit */
  setUnit(unit) {
    this.unit = unit;
    this.slider.step = "";
    this.show(this.value);
  }

  /**
   * Show a value. While the slider is dragged its ends only widen, or it would run away from the pointer.
   * @param {number} value
   */
  show(value) {
    const { about, unit, slider } = this;
    this.value = value;
    const told = unit.of(about, value);
    const range = rangeOf(about, unit, value);
    const dragged = document.activeElement === slider && slider.step === String(unit.step);
    const low = dragged ? Math.min(range.low, Number(slider.min)) : range.low;
    const high = dragged ? Math.max(range.high, Number(slider.max)) : range.high;
    Object.assign(slider, { min: String(low), max: String(high), step: String(unit.step) });
    if (slider.valueAsNumber !== told) {
      slider.value = String(told);
    }
    slider.setAttribute("aria-valuetext", unit.words(told));
    if (document.activeElement !== this.number || this.number.valueAsNumber !== rounded(told)) {
      this.number.value = String(rounded(told));
    }
    this.markNearest();
  }

  markNearest() {
    const values = stripValues(this.about, STEPS);
    const away = (/** @type {number} */ step) => Math.abs(values[step] - this.value);
    const nearest = values.reduce((best, _, step) => (away(step) < away(best) ? step : best), 0);
    this.mark.style.left = `${(nearest / STEPS) * 100}%`;
    this.mark.hidden = false;
  }

  /** @param {ImageBitmap} sheet */
  showStrip(sheet) {
    cut(this.canvas, sheet, this.axis);
    const [low, high] = [this.about.quantiles["0.025"], this.about.quantiles["0.975"]];
    this.canvas.setAttribute("aria-label", `Axis ${this.axis} from ${low.toFixed(1)} to ${high.toFixed(1)}`);
    /** @type {HTMLElement} */ (this.canvas.parentElement).hidden = false;
  }
}
