/**
 * The prior that codes are drawn from, as app/priors.py draws them: N(0, I), or a mixture of normal distributions.
 */

import { STREAM_CHOICES, standardNormal, uniform } from "./random.js";

/**
 * @typedef {object} Mixture
 * @property {number[]} weights One a component, their sum one.
 * @property {number[]} component_class The class of each component; empty where there are no classes.
 * @property {Float32Array | Float64Array} numbers The means, then of each component the lower triangle, by rows, of
 *   what it multiplies epsilon by.
 */

/**
 * Code `k` of a seed.
 * @param {Mixture | null} mixture null: N(0, I).
 * @param {bigint} seed
 * @param {number} k
 * @param {number} dimensions
 * @param {{temperature?: number, label?: number | null}} choice
 * @returns {Float32Array}
 */
export function draw(mixture, seed, k, dimensions, { temperature = 1, label = null } = {}) {
  const epsilon = standardNormal(seed, k, dimensions);
  if (mixture === null) {
    return temperature === 1 ? epsilon : epsilon.map((value) => value * Math.fround(temperature));
  }
  const component = chosen(mixture, uniform(seed, STREAM_CHOICES, k, 1)[0], label);
  const { numbers, weights } = mixture;
  let entry = weights.length * dimensions + (component * dimensions * (dimensions + 1)) / 2;
  return Float32Array.from(epsilon, (_, row) => {
    let shifted = 0;
    for (let column = 0; column <= row; column++) {
      shifted += numbers[entry++] * epsilon[column];
    }
    return numbers[component * dimensions + row] + temperature * shifted;
  });
}

/**
 * The component that a number in (0, 1) chooses.
 * @param {Mixture} mixture
 * @param {number} number
 * @param {number | null} label
 */
function chosen({ weights, component_class: classes }, number, label) {
  let reached = 0;
  const sums = weights.map((weight, component) => {
    reached += label === null || classes[component] === label ? weight : 0;
    return reached;
  });
  return sums.findIndex((sum) => sum > number * reached);
}
