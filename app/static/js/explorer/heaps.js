/**
 * Directions from two heaps of pictures: what one has on average and the other lacks.
 */

import { showError } from "../announce.js";
import { ask } from "../ask.js";
import { described, find, make, urlOf } from "../page.js";
import { facts, fill } from "../pictures.js";
import { remembered } from "../remembered.js";
import { pointOf } from "./codes.js";

/** @typedef {import("../state.js").Values} Values */
/** @typedef {"plus" | "minus"} Heap */
/** @typedef {{code: number[], axes: {axis: number, strength: number}[]}} Direction */

export const HEAPS = /** @type {const} */ (["plus", "minus"]);
const STRONGEST = 5;

/** @param {string} points */
function listed(points) {
  return points ? points.split(";") : [];
}

/**
 * The codes of images, as points: their address then holds what came of an upload.
 * @param {File[]} files
 * @returns {Promise<string[]>}
 */
export async function encoded(files) {
  const form = new FormData();
  for (const file of files) {
    form.append("file", file);
  }
  const answer = await (await ask(urlOf("encode", { invert: "auto" }), { method: "POST", body: form })).json();
  return answer.images.map((/** @type {{point: string}} */ image) =>
    pointOf(image.point.slice(2).split(",").map(Number)),
  );
}

const known = remembered(async (/** @type {string} */ asked) => {
  const answer = await facts("directions.json", JSON.parse(asked));
  return /** @type {Direction} */ ({ code: answer.direction.slice(2).split(",").map(Number), axes: answer.axes });
});

/**
 * The direction between two heaps, of one request each; null: a heap is empty.
 * @param {Values} values
 * @returns {Promise<Direction | null>}
 */
export async function directionOf({ plus, minus }) {
  if (!plus || !minus) {
    return null;
  }
  // No strength, no walk: else a point near the edge of the space would be refused.
  return known(JSON.stringify({ plus, minus, low: 0, high: 0, steps: 2 }));
}

/** The panel of the two heaps. */
export class Heaps {
  /**
   * @param {(changes: Values) => void} change The view's state is to change.
   * @param {() => string} current The point that is shown.
   */
  constructor(change, current) {
    this.change = change;
    this.current = current;
    /** @type {Values} */
    this.values = { plus: "", minus: "" };
    this.strength = find("input[data-strength]", HTMLInputElement);
    for (const heap of HEAPS) {
      this.listen(heap);
    }
  }

  /** @param {Heap} heap */
  listen(heap) {
    const panel = find(`[data-heap="${heap}"]`, HTMLElement);
    find("[data-add-current]", HTMLButtonElement, panel).addEventListener("click", () => this.add(heap, [this.current()]));
    const classes = panel.querySelector("select");
    classes?.addEventListener("change", () => {
      if (classes.value) {
        this.add(heap, [classes.value]);
        classes.value = "";
      }
    });
    const files = find('input[type="file"]', HTMLInputElement, panel);
    files.addEventListener("change", async () => {
      try {
        this.add(heap, await encoded([...(files.files ?? [])]));
      } catch (error) {
        showError(error);
      }
      files.value = "";
    });
  }

  /**
   * @param {Heap} heap
   * @param {string[]} points
   */
  add(heap, points) {
    const all = [...listed(this.values[heap]), ...points];
    this.change({ [heap]: [...new Set(all)].join(";") });
  }

  /**
   * @param {Heap} heap
   * @param {string} point
   */
  remove(heap, point) {
    this.change({ [heap]: listed(this.values[heap]).filter((each) => each !== point).join(";") });
    find("[data-add-current]", HTMLButtonElement, find(`[data-heap="${heap}"]`, HTMLElement)).focus();
  }

  /**
   * @param {Values} values
   * @param {Direction | null} direction
   */
  show(values, direction) {
    this.values = values;
    for (const heap of HEAPS) {
      const list = find(`[data-heap="${heap}"] ul`, HTMLElement);
      list.replaceChildren(...listed(values[heap]).map((point) => this.entry(heap, point)));
      list.hidden = !values[heap];
    }
    find("[data-along]", HTMLElement).hidden = direction === null;
    find("[data-along-hint]", HTMLElement).hidden = direction !== null;
    this.showStrength(Number(values.strength));
    find("[data-strongest]", HTMLElement).replaceChildren(
      ...(direction?.axes.slice(0, STRONGEST) ?? []).map(({ axis, strength }) => {
        const told = `axis ${axis} (${strength < 0 ? "−" : "+"}${Math.abs(strength).toFixed(1)})`;
        return make("li", {}, make("button", { type: "button", "data-focus-axis": axis, text: told }));
      }),
    );
  }

  /** @param {number} strength */
  showStrength(strength) {
    this.strength.value = String(strength);
    const words = strength === 0 ? "as it is" : `${strength > 0 ? "more" : "less"}, by ${Math.abs(strength).toFixed(2)}`;
    this.strength.setAttribute("aria-valuetext", words);
    find("[data-strength-told]", HTMLElement).textContent = words;
  }

  /**
   * @param {Heap} heap
   * @param {string} point
   */
  entry(heap, point) {
    const name = point.startsWith("z:") ? "a point" : point.replace(/^label:/, "");
    const [height, width] = described.shape;
    const picture = make("img", { class: "pixels", width: width * 2, height: height * 2, alt: "" });
    fill(picture, "decode", { points: point });
    const away = make("button", { type: "button", text: "×", "aria-label": `Remove ${name}` });
    away.addEventListener("click", () => this.remove(heap, point));
    return make("li", {}, picture, make("span", { text: name }), away);
  }
}
