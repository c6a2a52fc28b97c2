/**
 * Images that a model was not made for, made of pixels in the browser: noise, upside down, negatives.
 */

/** @typedef {(pixels: Uint8ClampedArray, number: number, colours: boolean) => void} Change RGBA levels, changed where they are. */

/**
 * Numbers in [0, 1) that a seed gives: mulberry32, so that a link shows the same noise again.
 * @param {number} seed
 */
function random(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @type {Change} */
function noise(pixels, number, colours) {
  const next = random(number);
  for (let i = 0; i < pixels.length; i += 4) {
    pixels[i] = Math.floor(256 * next());
    pixels[i + 1] = colours ? Math.floor(256 * next()) : pixels[i];
    pixels[i + 2] = colours ? Math.floor(256 * next()) : pixels[i];
  }
}

/** By half a turn. @type {Change} */
function turned(pixels) {
  new Uint32Array(pixels.buffer).reverse();
}

/** @type {Change} */
function negative(pixels) {
  for (let i = 0; i < pixels.length; i += 4) {
    for (let channel = 0; channel < 3; channel += 1) {
      pixels[i + channel] = 255 - pixels[i + channel];
    }
  }
}

/** By the kind of a sample. @type {Record<string, Change>} */
export const CHANGES = { noise, turned, negative };

/**
 * A picture's levels, as RGBA.
 * @param {string} url
 * @returns {Promise<ImageData>}
 */
export async function levelsOf(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  const context = contextOf(image.naturalWidth, image.naturalHeight);
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.naturalWidth, image.naturalHeight);
}

/**
 * A canvas to draw into, whose pixels are read back exactly.
 * @param {number} width
 * @param {number} height
 */
export function contextOf(width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) {
    throw new Error("This browser cannot draw into a canvas.");
  }
  return context;
}

/**
 * A PNG of levels.
 * @param {ImageData} levels
 * @returns {Promise<Blob>}
 */
export function pngOf(levels) {
  const context = contextOf(levels.width, levels.height);
  context.putImageData(levels, 0, 0);
  return new Promise((resolve, reject) => {
    context.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("This browser cannot write a PNG."))));
  });
}
