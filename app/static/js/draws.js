/**
 * How many draws of the posterior may be chosen.
 */

import { described, make } from "./page.js";

/**
 * Show the chosen number of draws, also one that only an address has; what the service would refuse cannot be chosen.
 * @param {HTMLSelectElement} field
 * @param {string} k
 * @param {number} images That are asked for in one request: the limit counts the draws of all of them.
 */
export function showDraws(field, k, images = 1) {
  if (![...field.options].some(({ value }) => value === k)) {
    field.append(make("option", { value: k, text: k }));
  }
  for (const option of field.options) {
    option.disabled = Number(option.value) * images > described.limits.draws;
  }
  field.value = k;
}
