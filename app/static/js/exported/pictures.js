/**
 * The source of pictures of a page without a service: the same functions as ../pictures.js, computed in the browser.
 */

import { stripValues } from "../explorer/axes.js";
import { described } from "../page.js";
import { decode, isRunning, start, started } from "./decoder.js";
import { file, known, mixture } from "./model.js";
import { way } from "./paths.js";
import { codeOf, labelOf } from "./points.js";
import { draw } from "./prior.js";
import { readSeed } from "./seeds.js";

/** @typedef {import("../page.js").Parameters} Parameters */
/** @typedef {{signal?: AbortSignal}} Options */

const [height, width, colours = 1] = described.shape;

/**
 * Codes of a picture, in a grid of so many columns.
 * @typedef {{codes: Float32Array[], columns: number}} Sheet
 */

/** By path, what there is a picture of. @type {Record<string, (parameters: Record<string, string>) => Promise<Sheet>>} */
const SHEETS = {
  decode: async ({ points }) => {
    const codes = await Promise.all(points.split(";").map(codeOf));
    return { codes, columns: codes.length };
  },
  samples: async ({ seed, n, offset = "0", label, temperature = "1", render = "mean", columns }) => {
    if (render !== "mean") {
      throw new Error("This page shows means; draws need the service.");
    }
    const [about, number] = [await mixture(), await readSeed(seed)];
    const choice = { temperature: Number(temperature), label: label ? labelOf(label) : null };
    const codes = Array.from({ length: Number(n) }, (_, k) =>
      draw(about, number, Number(offset) + k, described.axes.length, choice),
    );
    return { codes, columns: Number(columns ?? Math.min(codes.length, 7)) };
  },
  axes: async ({ at, steps }) => {
    const code = await codeOf(at);
    const codes = described.axes.flatMap((axis, number) =>
      stripValues(axis, Number(steps)).map((value) => code.map((held, each) => (each === number ? value : held))),
    );
    return { codes, columns: Number(steps) };
  },
  interpolate: async ({ from, to, steps, path }) => {
    if (path === "density") {
      throw new Error("The way where real images lie needs the service. Choose a straight line or an arc.");
    }
    const codes = way(await codeOf(from), await codeOf(to), path, Number(steps));
    return { codes, columns: codes.length };
  },
};

/** By path, what is said as JSON. @type {Record<string, (parameters: Record<string, string>) => Promise<any>>} */
const FACTS = {
  "decode.json": async (parameters) => ({ images: (await SHEETS.decode(parameters)).codes.map(withPoint) }),
  "samples.json": async (parameters) => withPictures(await SHEETS.samples(parameters)),
  "interpolate.json": async (parameters) => {
    await started; // a way that somebody scrolls past does not load the decoder
    return withPictures(await SHEETS.interpolate(parameters));
  },
  "directions.json": async ({ plus, minus }) => {
    const [has, lacks] = await Promise.all([meanOf(plus), meanOf(minus)]);
    const change = Float32Array.from(has, (value, axis) => value - lacks[axis]);
    const axes = described.axes.map(({ std }, axis) => ({ axis, strength: std ? change[axis] / std : 0 }));
    axes.sort((one, other) => Math.abs(other.strength) - Math.abs(one.strength));
    return { direction: withPoint(change).point, axes };
  },
};

/** @param {Float32Array} code */
function withPoint(code) {
  return { point: `z:${[...code].join(",")}` };
}

/** @param {Sheet} sheet */
async function withPictures({ codes }) {
  const images = await decode(codes);
  return { images: codes.map((code, k) => ({ ...withPoint(code), picture: pngOf(images[k]) })) };
}

/** @param {string} points */
async function meanOf(points) {
  const codes = await Promise.all(points.split(";").map(codeOf));
  return described.axes.map((_, axis) => codes.reduce((sum, code) => sum + code[axis], 0) / codes.length);
}

/** @param {Parameters} parameters @returns {Record<string, string>} */
function texts(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}

/** @param {Uint8Array} levels @returns {ImageData} */
function imageOf(levels) {
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * pixel + channel] = levels[colours * pixel + (channel % colours)];
    }
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

/** @param {Uint8Array} levels */
function pngOf(levels) {
  return canvasOf({ codes: [], columns: 1 }, [levels]).toDataURL("image/png");
}

/**
 * @param {Sheet} sheet
 * @param {Uint8Array[]} images
 */
function canvasOf({ columns }, images) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: columns * width, height: Math.ceil(images.length / columns) * height });
  const context = canvas.getContext("2d");
  images.forEach((levels, k) => {
    context?.putImageData(imageOf(levels), (k % columns) * width, Math.floor(k / columns) * height);
  });
  return canvas;
}

/**
 * Decode a few images at a time: a slider that moves meanwhile waits for no more than these.
 * @param {Sheet} sheet
 * @param {Options} options
 */
async function drawn(sheet, { signal }) {
  const images = [];
  for (let k = 0; k < sheet.codes.length; k += sheet.columns) {
    signal?.throwIfAborted();
    images.push(...(await decode(sheet.codes.slice(k, k + sheet.columns))));
  }
  return canvasOf(sheet, images);
}

/**
 * The picture of one image that came with the page, if it is one; null: it is computed.
 * @param {string} path
 * @param {Record<string, string>} parameters
 */
async function readyMade(path, { points, seed, n, offset = "0", label, temperature, render }) {
  const { pictures } = (await known()).ready;
  const sampled = path === "samples" && n === "1" && !label && !temperature && !render;
  const name = path === "decode" && points.startsWith("seed:") ? points.slice(5) : sampled ? `${seed}/${offset}` : "";
  return pictures[name] ?? null;
}

/**
 * @param {string} path
 * @param {Parameters} parameters
 * @param {Options} options
 * @returns {Promise<ImageBitmap>}
 */
export async function picture(path, parameters, options = {}) {
  const given = texts(parameters);
  const ready = await readyMade(path, given);
  if (ready) {
    return createImageBitmap(await (await file(ready)).blob());
  }
  if (path === "axes") {
    await started; // strips are for whoever moves something, and do not load the decoder by themselves
    options.signal?.throwIfAborted();
  }
  return createImageBitmap(await drawn(await SHEETS[path](given), options));
}

/**
 * @param {string} path
 * @param {Parameters} parameters
 * @returns {Promise<any>}
 */
export function facts(path, parameters) {
  return FACTS[path](texts(parameters));
}

/**
 * @param {HTMLImageElement} image
 * @param {string} path
 * @param {Parameters} parameters
 */
export function fill(image, path, parameters) {
  showIn(image, path, parameters).catch((error) => {
    image.alt = `${image.alt}: ${error instanceof Error ? error.message : error}`;
  });
}

/**
 * @param {HTMLImageElement} image
 * @param {string} path
 * @param {Parameters} parameters
 * @param {AbortSignal} [signal] Aborted: the picture is not shown.
 */
export async function showIn(image, path, parameters, signal) {
  const given = texts(parameters);
  const source = (await readyMade(path, given)) ?? (await drawn(await SHEETS[path](given), { signal })).toDataURL("image/png");
  signal?.throwIfAborted();
  image.src = source;
}

/** Whether pictures may be asked for that nobody asked for by a click or a key. */
export function ready() {
  return isRunning();
}

export { start };
