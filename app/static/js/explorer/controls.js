/**
 * Beside the picture: where to begin, back and forth, mean or draw, units.
 */

import { described, find } from "../page.js";

/** @typedef {import("../state.js").Values} Values */

/**
 * @typedef {object} Acts What the controls ask for.
 * @property {(point: string) => void} goTo
 * @property {(changes: Values, how?: {step?: boolean}) => void} change
 * @property {() => void} reset
 * @property {(by: -1 | 1) => void} step
 * @property {(files: File[]) => void} upload
 */

const SEEDS = 1_000_000; // so many are short enough to be read out, and more than anybody looks at

/** The controls beside the picture, and the choices above the list of axes. */
export class Controls {
  /** @param {Acts} acts */
  constructor(acts) {
    this.acts = acts;
    this.seed = find('[name="seed"]', HTMLInputElement);
    this.places = find("select[data-places]", HTMLSelectElement);
    this.undo = find("[data-undo]", HTMLButtonElement);
    this.redo = find("[data-redo]", HTMLButtonElement);
    this.noise = find("[data-noise]", HTMLButtonElement);
    this.listen();
    this.listenToChoices();
  }

  listen() {
    const { acts, seed, places } = this;
    find("[data-seed-form]", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      acts.goTo(pointOfSeed(seed.value));
    });
    find("[data-randomise]", HTMLButtonElement).addEventListener("click", () => this.randomise());
    places.addEventListener("change", () => places.value && acts.goTo(places.value));
    find("[data-reset]", HTMLButtonElement).addEventListener("click", acts.reset);
    this.undo.addEventListener("click", () => acts.step(-1));
    this.redo.addEventListener("click", () => acts.step(1));
    const files = find("input[data-start-image]", HTMLInputElement);
    files.addEventListener("change", () => {
      if (files.files?.length) {
        acts.upload([...files.files].slice(0, 1));
      }
      files.value = "";
    });
  }

  listenToChoices() {
    const { acts } = this;
    for (const name of ["unit", "render", "path"]) {
      for (const radio of document.querySelectorAll(`input[name="${name}"]`)) {
        radio.addEventListener("change", () =>
          acts.change({ [name]: /** @type {HTMLInputElement} */ (radio).value }, { step: name !== "unit" }),
        );
      }
    }
    for (const name of ["from", "to", "steps"]) {
      const field = find(`input[name="${name}"]`, HTMLInputElement);
      field.addEventListener("change", () => field.value && field.reportValidity() && acts.change({ [name]: field.value }));
    }
    this.noise.addEventListener("click", () => acts.change({ noise: String(random()) }));
  }

  /** Go to a new seed, which the field then shows. */
  randomise() {
    this.acts.goTo(pointOfSeed(String(random())));
  }

  /** @param {(axis: number) => void} show */
  onAxis(show) {
    const field = find("input[data-find-axis]", HTMLInputElement);
    field.max = String(described.axes.length - 1);
    find("[data-find-form]", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      show(field.valueAsNumber);
    });
  }

  /**
   * @param {Values} values
   * @param {string} start What reset goes back to.
   * @param {import("./undo.js").Undo} undo
   */
  show(values, start, undo) {
    this.seed.value = start.startsWith("seed:") ? start.slice(5) : values.seed;
    this.places.value = [...this.places.options].some((option) => option.value === values.at) ? values.at : "";
    this.undo.disabled = !undo.canUndo;
    this.redo.disabled = !undo.canRedo;
    this.noise.hidden = values.render !== "draw";
    for (const radio of document.querySelectorAll('input[name="render"]')) {
      const choice = /** @type {HTMLInputElement} */ (radio);
      choice.checked = choice.value === values.render;
    }
  }
}

function random() {
  return Math.floor(Math.random() * SEEDS);
}

/**
 * The point of what somebody wrote into the field of the seed; without the number of an image it is image 0.
 * @param {string} text
 */
export function pointOfSeed(text) {
  const seed = text.trim() || "42";
  return /\/\d+$/.test(seed) ? `seed:${seed}` : `seed:${seed}/0`;
}
