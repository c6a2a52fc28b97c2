/**
 * The files of the model: what the page was exported with.
 */

import { root } from "../page.js";
import { once } from "../remembered.js";

/**
 * @typedef {object} Known Codes that need no computation, and what the prior is made of.
 * @property {{centre: number[], label: (number[] | null)[], example: number[][]}} places
 * @property {{seed: string, codes: Record<string, number[]>, pictures: Record<string, string>}} ready Images with
 *   their pictures, by `SEED/K`.
 * @property {{weights: number[], component_class: number[], file: string, type: "float32" | "float64"} | null} mixture
 */

/**
 * @param {string} path
 * @returns {Promise<Response>}
 */
export async function file(path) {
  const answer = await fetch(new URL(path, root)).catch(() => null);
  if (!answer?.ok) {
    throw new Error(`${path} is missing where this page lies. Were all files of the folder copied?`);
  }
  return answer;
}

export const known = once(async () => /** @type {Known} */ (await (await file("model/codes.json")).json()));

/** The prior's mixture; null: it is N(0, I). */
export const mixture = once(async () => {
  const { mixture: about } = await known();
  if (about === null) {
    return null;
  }
  const bytes = await (await file(about.file)).arrayBuffer();
  return { ...about, numbers: about.type === "float64" ? new Float64Array(bytes) : new Float32Array(bytes) };
});
