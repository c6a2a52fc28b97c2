/**
 * The decoder in a thread of its own: LiteRT.js computes one image after the other, and the page stays alive.
 *
 * A classic worker, because LiteRT.js loads its WebAssembly by importScripts. The variant without relaxed SIMD: its
 * results do not depend on the processor, so every browser shows the same levels.
 */

/** @typedef {{litert: string, loader: string, wasm: string, model: string, ink: string}} Files URLs, and how levels are shown. */

/** @type {any} */
const scope = self;
/** @type {any} */
let litert = null;
/** @type {any} */
let model = null;
let dark = false;

/**
 * Fetch a file, and tell how much of it is there.
 * @param {string} url
 */
async function bytesOf(url) {
  const answer = await fetch(url);
  if (!answer.ok || !answer.body) {
    throw new Error(`${url} is missing where this page lies. Were all files of the folder copied?`);
  }
  const parts = [];
  const reader = answer.body.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (value));
    scope.postMessage({ bytes: value?.length ?? 0 });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @param {Files} files */
async function start(files) {
  dark = files.ink === "dark";
  const [wasmBinary, flatbuffer] = await Promise.all([bytesOf(files.wasm), bytesOf(files.model)]);
  // What the runtime reports of its start, each line of it as an error, is no concern of who looks at the page.
  scope.Module = { wasmBinary, print() {}, printErr() {} };
  // LiteRT.js asks for a graphics processor in any case, and browsers without one warn: there is none to be had.
  const adapter = { limits: {}, features: new Set(), requestDevice: async () => null };
  Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => adapter } });
  litert = await import(files.litert);
  await litert.loadLiteRt(files.loader);
  model = await litert.loadAndCompile(flatbuffer, { accelerator: "wasm" });
}

/**
 * The levels of images, min(255, floor(256 x)) as app/pictures/grids.py cuts them, and inverted for dark ink.
 * @param {Float32Array} codes
 * @param {number} count
 */
async function decode(codes, count) {
  const dimensions = codes.length / count;
  const images = [];
  for (let k = 0; k < count; k++) {
    const input = new litert.Tensor(codes.slice(k * dimensions, (k + 1) * dimensions), [1, dimensions]);
    const [output] = await model.run([input]);
    images.push(Uint8Array.from(output.toTypedArray(), level));
    input.delete();
    output.delete();
  }
  return images;
}

/** @param {number} value */
function level(value) {
  const cut = Math.min(255, Math.max(0, Math.floor(256 * value)));
  return dark ? 255 - cut : cut;
}

scope.onmessage = async (/** @type {MessageEvent} */ { data: { id, files, codes, count } }) => {
  try {
    const answer = files ? await start(files) : await decode(codes, count);
    scope.postMessage({ id, answer });
  } catch (error) {
    scope.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
  }
};
