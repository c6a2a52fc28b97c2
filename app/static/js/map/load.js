/**
 * What a map is drawn of: places, classes and the sprite sheet, each from its own public address.
 */

import { ask } from "../ask.js";
import { readNpy } from "../npy.js";
import { described, urlOf } from "../page.js";
import { Places } from "./places.js";
import { Thumbnails } from "./thumbnails.js";

/** @typedef {import("../page.js").MapDescribed} MapDescribed */
/** @typedef {{places: Places, thumbnails: Thumbnails, classes: ArrayLike<number>}} Loaded */

/** @param {string} array */
async function numbersOf(array) {
  const answer = await ask(urlOf("map.npy", { array }));
  return readNpy(await answer.arrayBuffer()).numbers;
}

async function sprites() {
  const answer = await ask(urlOf("map", { show: "sprites" }));
  return createImageBitmap(await answer.blob());
}

/**
 * @param {MapDescribed} map
 * @returns {Promise<Loaded>}
 */
export async function load(map) {
  const [positions, classes, sheet] = await Promise.all([numbersOf("positions"), numbersOf("classes"), sprites()]);
  const thumbnails = new Thumbnails(sheet, map.columns, described.shape, classes, map.classes, map.on_white);
  return { places: new Places(Float32Array.from(positions)), thumbnails, classes };
}
