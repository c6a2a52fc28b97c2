/**
 * The image that is completed, as the encoder sees it: pixels to paint on, and a file to send.
 */

import { ask } from "../ask.js";
import { sampleOf } from "../images.js";
import { levelsOf, pngOf } from "../images/odd.js";
import { described, urlOf } from "../page.js";

/** @typedef {{name: string, blob: Blob, drawn: ImageData}} Source blob: of exactly the model's size, as the data has it. */

/** @param {ImageData} levels @returns {ImageData} As pages show them: 0 white, where the model's ink is dark. */
function drawnOf(levels) {
  const drawn = new ImageData(new Uint8ClampedArray(levels.data), levels.width, levels.height);
  if (described.ink === "dark") {
    drawn.data.forEach((level, i) => {
      drawn.data[i] = i % 4 === 3 ? 255 : 255 - level;
    });
  }
  return drawn;
}

/**
 * A sample that an address names.
 * @param {string} token
 * @returns {Promise<Source>}
 */
export async function sourceOfSample(token) {
  const { name, blob } = await sampleOf(token);
  const url = URL.createObjectURL(blob);
  const levels = await levelsOf(url).finally(() => URL.revokeObjectURL(url));
  return { name, blob, drawn: drawnOf(levels) };
}

/**
 * A file of the user's, fitted by the service to the model's images.
 * @param {{name: string, blob: Blob}} file
 * @returns {Promise<Source>}
 */
export async function sourceOfFile({ name, blob }) {
  const body = new FormData();
  body.append("file", blob, name);
  const answer = await ask(urlOf("reconstruct.json", { ink: "light", invert: "auto" }), { method: "POST", body });
  const levels = await levelsOf((await answer.json()).images[0].picture);
  return { name, blob: await pngOf(levels), drawn: drawnOf(levels) };
}

/**
 * A mask as a file: white where pixels are missing.
 * @param {import("./mask.js").Mask} mask
 */
export function fileOfMask(mask) {
  const levels = new ImageData(mask.width, mask.height);
  mask.missing.forEach((bit, i) => levels.data.set([255 * bit, 255 * bit, 255 * bit, 255], 4 * i));
  return pngOf(levels);
}
