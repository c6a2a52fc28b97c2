/**
 * The decoder, loaded when the first picture is computed, and the bar that says how far that is.
 */

import { announce, showError } from "../announce.js";
import { described, find, root } from "../page.js";
import { once } from "../remembered.js";

/** @typedef {Uint8Array} Levels Of one image, row by row; in colour three a pixel. */

const SCRIPT = "decoder-worker.js"; // beside this module
const files = /** @type {import("../page.js").Exported} */ (described.exported);
const bar = find("[data-decoder]", HTMLElement);
const progress = find("progress", HTMLProgressElement, bar);
const words = find("[data-decoder-words]", HTMLElement, bar);
const button = find("[data-start]", HTMLButtonElement, bar);

/** @type {Worker | null} */
let worker = null;
/** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
const waiting = new Map();
let asked = 0;
let begun = false;
let running = false;
/** @type {() => void} */
let tell = () => {};
/** Settles when the decoder runs, whoever had it loaded. */
export const started = new Promise((resolve) => {
  tell = () => resolve(undefined);
});

/** @param {Record<string, unknown>} message @returns {Promise<any>} */
function send(message) {
  return new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject });
    worker?.postMessage({ ...message, id: asked });
  });
}

/** @param {string} reason Why nobody who waits gets an answer any more. */
function fail(reason) {
  for (const { reject } of waiting.values()) {
    reject(new Error(reason));
  }
  waiting.clear();
}

/** @returns {Worker} The thread of the decoder, which tells how much of it is loaded. */
function thread() {
  let loaded = 0;
  const made = new Worker(new URL(SCRIPT, import.meta.url));
  made.onmessage = ({ data: { id, bytes, answer, error } }) => {
    if (bytes) {
      loaded += bytes;
      progress.value = loaded;
      words.textContent = `Loading the decoder: ${megabytes(loaded)} of ${megabytes(progress.max)} MB`;
      return;
    }
    const found = waiting.get(id);
    waiting.delete(id);
    error ? found?.reject(new Error(error)) : found?.resolve(answer);
  };
  // A script that cannot be loaded has no words of its own; one that fails later has.
  made.onerror = ({ message }) =>
    fail(message || `${SCRIPT} is missing where this page lies. Were all files of the folder copied?`);
  return made;
}

/** Load the decoder, once. */
export const start = once(async () => {
  begun = true;
  bar.style.minHeight = `${bar.offsetHeight}px`; // what lies below stays where the pointer has it
  button.hidden = true;
  progress.hidden = false;
  progress.value = 0;
  announce("Loading the decoder");
  const url = (/** @type {string} */ path) => new URL(path, root).href;
  const { litert, loader, wasm, model } = files;
  try {
    worker = thread();
    await send({
      files: { litert: url(litert), loader: url(loader), wasm: url(wasm), model: url(model), ink: described.ink },
    });
  } catch (error) {
    worker?.terminate();
    begun = false;
    button.hidden = false;
    progress.hidden = true;
    words.textContent = "The decoder could not be loaded.";
    throw error;
  }
  running = true;
  progress.hidden = true;
  words.textContent = "The decoder runs in your browser.";
  announce(words.textContent);
  tell();
});

/** Whether somebody had the decoder loaded. */
export function isRunning() {
  return running;
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}

/**
 * Images of codes.
 * @param {Float32Array[]} codes
 * @returns {Promise<Levels[]>}
 */
export async function decode(codes) {
  await start();
  const all = new Float32Array(codes.length * described.axes.length);
  codes.forEach((code, k) => all.set(code, k * code.length));
  return send({ codes: all, count: codes.length });
}

function begin() {
  if (!begun) {
    start().catch(showError);
  }
}

button.addEventListener("click", begin);
// Whoever moves or chooses something wants to see what comes of it.
const main = find("main", HTMLElement);
main.addEventListener("input", begin);
main.addEventListener("click", (event) => {
  if (event.target instanceof Element && event.target.closest("#axes .axis-slide button, #way .buttons button")) {
    begin();
  }
});
bar.hidden = false;
for (const part of document.querySelectorAll("[data-with-script]")) {
  /** @type {HTMLElement} */ (part).hidden = false;
}
