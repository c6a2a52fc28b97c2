/**
 * Points -> codes without a service; docs/points.md has the grammar.
 */

import { FURTHEST } from "../explorer/axes.js";
import { described } from "../page.js";
import { known, mixture } from "./model.js";
import { draw } from "./prior.js";
import { readSeed, spelled } from "./seeds.js";

const TERM = /^(?:([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\*)?([a-z]+)(?::(.*))?$/s;
const dimensions = described.axes.length;

/**
 * The code of a point.
 * @param {string} point
 * @returns {Promise<Float32Array>}
 */
export async function codeOf(point) {
  const sum = new Float64Array(dimensions);
  for (const term of point.split("~")) {
    const found = TERM.exec(term);
    if (!found) {
      throw new Error(`Not a place: ${term}. Places are centre, label:NAME, seed:42/3, example:0 and z:0,0.5,-1.`);
    }
    const [, weight = "1", kind, value = ""] = found;
    const code = await codeOfPlace(kind, value, term);
    code.forEach((number, axis) => {
      sum[axis] += Number(weight) * number;
    });
  }
  const code = Float32Array.from(sum);
  if (!code.every((number) => Math.abs(number) <= FURTHEST)) {
    throw new Error(`A point lies within ±${FURTHEST} on every axis. Received: ${point}`);
  }
  return code;
}

/**
 * @param {string} kind
 * @param {string} value What stands behind its colon.
 * @param {string} term
 * @returns {Promise<Float32Array>}
 */
async function codeOfPlace(kind, value, term) {
  const { places, ready } = await known();
  if (kind === "centre" && !value) {
    return Float32Array.from(places.centre);
  }
  if (kind === "label" && value) {
    const code = places.label[labelOf(value)];
    if (code) {
      return Float32Array.from(code);
    }
  }
  if (kind === "example" && places.example[Number(value)] && /^[0-9]+$/.test(value)) {
    return Float32Array.from(places.example[Number(value)]);
  }
  if (kind === "z") {
    const code = value.split(",").map((number) => (number.trim() ? Number(number) : NaN));
    if (code.length === dimensions && code.every(Number.isFinite)) {
      return Float32Array.from(code);
    }
    throw new Error(`A code of this model is ${dimensions} numbers with commas between them.`);
  }
  const seeded = kind === "seed" && /^(.+?)(?:\/([0-9]{1,13}))?$/s.exec(value);
  if (seeded) {
    const code = ready.codes[`${seeded[1]}/${seeded[2] ?? 0}`];
    return code ? Float32Array.from(code) : draw(await mixture(), await readSeed(seeded[1]), Number(seeded[2] ?? 0), dimensions);
  }
  throw new Error(`No such place in this page: ${term}`);
}

/**
 * The number of a class, by its name or its number.
 * @param {string} label
 */
export function labelOf(label) {
  const names = described.classes;
  const typed = spelled(label);
  let number = names.indexOf(typed);
  if (number < 0) {
    const same = names.filter((name) => name.toLowerCase() === typed.toLowerCase());
    number = same.length === 1 ? names.indexOf(same[0]) : -1;
  }
  if (number < 0 && /^[0-9]+$/.test(label)) {
    number = Number(label);
  }
  if (!names[number]) {
    throw new Error(names.length ? `No class ${label}. There are ${names.join(", ")}.` : "This model has no classes.");
  }
  return number;
}
