/**
 * Codes, one number a latent axis, and the points that name them; docs/points.md has the grammar.
 */

import { facts } from "../pictures.js";
import { FURTHEST } from "./axes.js";

/** @typedef {number[]} Code */

const DIGITS = 4; // significant ones: a thousandth of a deviation changes no level of a picture that can be seen

/** @type {Map<string, Code>} */
const known = new Map();

/**
 * The name of a code: an address that people can still copy.
 * @param {Code} code
 */
export function pointOf(code) {
  return `z:${code.map((value) => Number(held(value).toPrecision(DIGITS)) + 0).join(",")}`;
}

/**
 * The code of a point, which the service is asked for unless the point says it itself.
 * @param {string} point
 * @returns {Promise<Code>}
 */
export async function codeAt(point) {
  const found = known.get(point) ?? written(point);
  if (found) {
    return [...found];
  }
  const answer = await facts("decode.json", { points: point });
  const code = /** @type {Code} */ (written(answer.images[0].point));
  known.set(point, code);
  return [...code];
}

/**
 * The numbers that a point of the form `z:` lists. What is no number is the service's to refuse.
 * @param {string} point
 */
function written(point) {
  const code = /^z:[^~;*]+$/.test(point) ? point.slice(2).split(",").map(Number) : null;
  return code?.every(Number.isFinite) ? code : null;
}

/** @param {number} value */
function held(value) {
  return Math.min(FURTHEST, Math.max(-FURTHEST, value));
}

/**
 * A code with the axes that are locked as they were.
 * @param {Code} before
 * @param {Code} after
 * @param {Set<number>} locked
 */
export function keeping(before, after, locked) {
  return after.map((value, axis) => (locked.has(axis) ? before[axis] : value));
}

/**
 * A code moved along a direction, as far as the space goes.
 * @param {Code} code
 * @param {Code} direction
 * @param {number} strength
 * @param {Set<number>} locked
 */
export function moved(code, direction, strength, locked) {
  return code.map((value, axis) => (locked.has(axis) ? value : held(value + strength * direction[axis])));
}
