/**
 * The source of pictures: what the views ask by a public address and its parameters.
 *
 * Here it is the service. A page without a service has another module in this place, with the same functions, that
 * computes them in the browser: exported/pictures.js.
 */

import { ask, askJson, showPicture } from "./ask.js";
import { urlOf } from "./page.js";

/** @typedef {import("./page.js").Parameters} Parameters */

/**
 * @param {string} path Of a public address, like `decode`.
 * @param {Parameters} parameters
 * @param {{signal?: AbortSignal, priority?: "high" | "low"}} options
 * @returns {Promise<ImageBitmap>}
 */
export async function picture(path, parameters, options = {}) {
  const answer = await ask(urlOf(path, parameters), options);
  return createImageBitmap(await answer.blob());
}

/**
 * What an address says as JSON.
 * @param {string} path Like `decode.json`.
 * @param {Parameters} parameters
 * @returns {Promise<any>}
 */
export function facts(path, parameters) {
  return askJson(urlOf(path, parameters));
}

/**
 * Let an image show a picture as soon as the browser needs it.
 * @param {HTMLImageElement} image
 * @param {string} path
 * @param {Parameters} parameters
 */
export function fill(image, path, parameters) {
  image.src = urlOf(path, parameters);
}

/**
 * Show a picture in an image, and fail with words if there is none.
 * @param {HTMLImageElement} image
 * @param {string} path
 * @param {Parameters} parameters
 * @param {AbortSignal} [signal] Aborted: the picture is not shown.
 * @returns {Promise<void>}
 */
export async function showIn(image, path, parameters, signal) {
  await showPicture(image, urlOf(path, parameters), signal);
}

/** Whether pictures may be asked for that nobody asked for by a click or a key. */
export function ready() {
  return true;
}
