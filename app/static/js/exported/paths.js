/**
 * Ways from code to code, as app/explore/paths.py has them: a straight line, or an arc.
 */

import { FURTHEST } from "../explorer/axes.js";

const PARALLEL = 1e-6; // sine of the angle below which directions leave no one arc between them

/** @typedef {ArrayLike<number>} Code */

/**
 * Numbers from low to high in equal steps, the ends as they are.
 * @param {number} low
 * @param {number} high
 * @param {number} count
 */
export function equalSteps(low, high, count) {
  const step = (high - low) / (count - 1);
  return Array.from({ length: count }, (_, k) => (k === count - 1 ? high : k * step + low));
}

/**
 * @param {Float32Array} start
 * @param {Float32Array} end
 * @param {string} path `linear` or `slerp`.
 * @param {number} count
 */
export function way(start, end, path, count) {
  const arc = path === "slerp" ? arcBetween(start, end) : null;
  return equalSteps(0, 1, count).map((along) => {
    if (along === 0 || along === 1) {
      return along ? end : start;
    }
    const [one, other] = arc ? arc(along) : [1 - along, along];
    return start.map((value, axis) => Math.min(FURTHEST, Math.max(-FURTHEST, one * value + other * end[axis])));
  });
}

/**
 * The weights of two codes in those between them on an arc: the direction turns by equal angles, and the distance
 * from zero goes in equal steps; null: there is no one arc.
 * @param {Code} start
 * @param {Code} end
 */
function arcBetween(start, end) {
  const [first, last] = [Math.sqrt(product(start, start)), Math.sqrt(product(end, end))];
  if (!first || !last) {
    return null;
  }
  const angle = Math.acos(Math.min(1, Math.max(-1, product(start, end) / (first * last))));
  const sine = Math.sin(angle);
  if (sine < PARALLEL) {
    return null;
  }
  return (/** @type {number} */ along) => {
    const length = (1 - along) * first + along * last;
    return [((Math.sin((1 - along) * angle) / sine) * length) / first, ((Math.sin(along * angle) / sine) * length) / last];
  };
}

/**
 * @param {Code} one
 * @param {Code} other
 */
function product(one, other) {
  let sum = 0;
  for (let axis = 0; axis < one.length; axis++) {
    sum += one[axis] * other[axis];
  }
  return sum;
}
