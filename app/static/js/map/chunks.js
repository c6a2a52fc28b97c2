/**
 * What does not change while the map moves, kept as pictures: squares of it in the current scale. A frame that pans
 * copies a few of them, however many images they show, and makes new ones as far as it has time.
 */

import { contextOf } from "./thumbnails.js";

const SIDE = 256; // pixels
const BUDGET = 7; // milliseconds of a frame for new chunks: half of a sixtieth of a second
const KEPT = 160; // chunks of a layer
const WIDEST = 1.8; // by how much a layer is enlarged or reduced before there is another

/** @typedef {(context: OffscreenCanvasRenderingContext2D, scale: number, left: number, top: number, side: number) => void} Draw */
/** @typedef {import("./camera.js").Camera} Camera */

/** The chunks of one scale, by column and row; chunk (0, 0) begins at the map's origin. */
class Layer {
  /** @param {number} scale Pixels that a unit of the map has. */
  constructor(scale) {
    this.scale = scale;
    /** @type {Map<string, {column: number, row: number, image: ImageBitmap}>} */
    this.chunks = new Map();
  }

  /** @param {Camera} camera @param {number} margin Chunks around what is seen. */
  seen(camera, margin) {
    const ratio = this.scale / camera.scale;
    const [middle, centre] = [camera.x * this.scale, -camera.y * this.scale];
    const [halfWidth, halfHeight] = [(camera.width / 2) * ratio, (camera.height / 2) * ratio];
    const found = [];
    for (let row = Math.floor((centre - halfHeight) / SIDE) - margin; row * SIDE < centre + halfHeight + margin * SIDE; row++) {
      for (let column = Math.floor((middle - halfWidth) / SIDE) - margin; column * SIDE < middle + halfWidth + margin * SIDE; column++) {
        const off = Math.hypot((column + 0.5) * SIDE - middle, (row + 0.5) * SIDE - centre);
        found.push({ key: `${column} ${row}`, column, row, off });
      }
    }
    return found.sort((a, b) => a.off - b.off);
  }

  /** @param {CanvasRenderingContext2D} context @param {Camera} camera */
  paint(context, camera) {
    const ratio = camera.scale / this.scale;
    const left = camera.width / 2 - camera.x * camera.scale;
    const top = camera.height / 2 + camera.y * camera.scale;
    for (const { column, row, image } of this.chunks.values()) {
      const [x, y] = [Math.round(left + column * SIDE * ratio), Math.round(top + row * SIDE * ratio)];
      if (ratio === 1) {
        if (x > -SIDE && y > -SIDE && x < camera.width && y < camera.height) {
          context.drawImage(image, x, y);
        }
      } else {
        const [right, bottom] = [Math.round(left + (column + 1) * SIDE * ratio), Math.round(top + (row + 1) * SIDE * ratio)];
        context.drawImage(image, x, y, right - x, bottom - y);
      }
    }
  }

  /** @param {Set<string>} needed Let go of others if there are too many. */
  trim(needed) {
    for (const [key, { image }] of this.chunks) {
      if (this.chunks.size <= KEPT) {
        return;
      }
      if (!needed.has(key)) {
        image.close();
        this.chunks.delete(key);
      }
    }
  }

  forget() {
    this.chunks.forEach(({ image }) => image.close());
    this.chunks.clear();
  }
}

/** The layers that are there: that of the current scale, and while it is made the one before. */
export class Chunks {
  /** @param {Draw} draw Draws the square of the map that begins at these pixels of this scale, on any ground. */
  constructor(draw) {
    this.draw = draw;
    this.canvas = new OffscreenCanvas(SIDE, SIDE);
    /** @type {Layer | null} */
    this.layer = null;
    /** @type {Layer | null} */
    this.before = null;
  }

  /** Forget all, as what they show has changed. */
  clear() {
    this.before?.forget();
    this.before = this.layer;
    this.layer = null;
  }

  /**
   * Paint what is seen, and make chunks as far as there is time.
   * @param {CanvasRenderingContext2D} context
   * @param {Camera} camera
   * @param {boolean} zooming The scale is about to change again: chunks are not made anew for it yet.
   * @returns {boolean} Whether another frame is needed, as chunks are missing.
   */
  paint(context, camera, zooming) {
    const ratio = this.layer ? camera.scale / this.layer.scale : 0;
    if (!this.layer || (ratio !== 1 && !zooming) || ratio > WIDEST || ratio < 1 / WIDEST) {
      this.before?.forget();
      this.before = this.layer?.chunks.size ? this.layer : this.before;
      this.layer = new Layer(camera.scale);
    }
    const missing = this.make(this.layer, camera);
    context.fillStyle = getComputedStyle(context.canvas).backgroundColor;
    context.fillRect(0, 0, camera.width, camera.height);
    if (missing.seen) {
      this.before?.paint(context, camera);
    } else {
      this.before?.forget();
      this.before = null;
    }
    this.layer.paint(context, camera);
    return missing.any;
  }

  /** @param {Layer} layer @param {Camera} camera */
  make(layer, camera) {
    const until = performance.now() + BUDGET;
    const seen = layer.seen(camera, 0);
    const around = layer.seen(camera, 1);
    const missing = [...seen, ...around].filter(({ key }) => !layer.chunks.has(key));
    for (const { key, column, row } of missing) {
      if (performance.now() > until) {
        break;
      }
      if (!layer.chunks.has(key)) {
        layer.chunks.set(key, { column, row, image: this.chunk(layer.scale, column, row) });
      }
    }
    layer.trim(new Set(around.map(({ key }) => key)));
    return {
      seen: seen.some(({ key }) => !layer.chunks.has(key)),
      any: around.some(({ key }) => !layer.chunks.has(key)),
    };
  }

  /** @param {number} scale @param {number} column @param {number} row */
  chunk(scale, column, row) {
    this.draw(contextOf(this.canvas), scale, column * SIDE, row * SIDE, SIDE);
    return this.canvas.transferToImageBitmap();
  }
}
