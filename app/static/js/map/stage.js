/**
 * The canvas of a map. It draws frames only while something moves or is not drawn yet.
 */

import { find } from "../page.js";
import { Camera } from "./camera.js";
import { Chunks } from "./chunks.js";

const LARGEST = 56; // CSS pixels of a thumbnail's width, however far one zooms in
const SMALLEST = 4;
const DOT = 7; // device pixels below which a thumbnail is a square of its class's colour
const REACH = 10; // CSS pixels from the pointer to an image that it means
const SETTLED = 150; // milliseconds after which a scale stays

/** @typedef {{k: number, letter: string}} Mark An image with a frame, and a letter beside it. */

/** Draws the images of a map that are seen, and tells which of them is at a pixel. */
export class Stage {
  /**
   * @param {import("./places.js").Places} places
   * @param {import("./thumbnails.js").Thumbnails} thumbnails
   * @param {(k: number) => boolean} accepts Whether an image is shown.
   */
  constructor(places, thumbnails, accepts) {
    this.canvas = find("canvas[data-map]", HTMLCanvasElement);
    this.context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d", { alpha: false }));
    this.places = places;
    this.thumbnails = thumbnails;
    this.accepts = accepts;
    this.camera = new Camera(places.bounds);
    this.chunks = new Chunks((context, scale, left, top, side) => this.drawSquare(context, scale, left, top, side));
    const { left, right, bottom, top } = places.bounds;
    this.spacing = Math.sqrt(((right - left) * (top - bottom)) / places.count);
    /** @type {Mark[]} */
    this.marks = [];
    /** @type {import("./scales.js").Scales | null} Of places that are codes. */
    this.scales = null;
    this.asked = 0;
    this.zoomed = -Infinity;
    this.pixel = 1; // device pixels that a CSS pixel has
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    this.resize();
  }

  resize() {
    this.pixel = devicePixelRatio;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.max(1, Math.round(side * this.pixel)));
    Object.assign(this.canvas, { width, height });
    Object.assign(this.camera, { width, height });
    this.change();
  }

  /** Ask for a frame. */
  change() {
    this.asked ||= requestAnimationFrame(() => this.frame());
  }

  /** What images look like has changed: all is drawn anew. */
  redraw() {
    this.chunks.clear();
    this.change();
  }

  /** @param {number} right @param {number} down CSS pixels. */
  pan(right, down) {
    this.camera.move(right * this.pixel, down * this.pixel);
    this.change();
  }

  /**
   * @param {number} factor
   * @param {number} [right] CSS pixels of what stays in its place; the middle if not given.
   * @param {number} [down]
   */
  zoom(factor, right = this.canvas.clientWidth / 2, down = this.canvas.clientHeight / 2) {
    this.camera.zoomAt(factor, right * this.pixel, down * this.pixel);
    this.zoomed = performance.now();
    this.change();
  }

  frame() {
    this.asked = 0;
    const zooming = performance.now() - this.zoomed < SETTLED;
    const missing = this.chunks.paint(this.context, this.camera, zooming);
    for (const mark of this.marks) {
      this.drawMark(mark);
    }
    this.scales?.show(this.camera, this.pixel);
    if (missing || zooming) {
      this.change();
    } else {
      this.canvas.dataset.drawn = String(performance.now());
    }
  }

  /** Width and height of thumbnails in device pixels. @param {number} scale */
  size(scale) {
    const { width, height } = this.thumbnails.plain;
    const wide = Math.round(Math.min(LARGEST * this.pixel, Math.max(SMALLEST * this.pixel, this.spacing * scale)));
    return { width: wide, height: Math.max(1, Math.round((wide * height) / width)) };
  }

  /** @type {import("./chunks.js").Draw} */
  drawSquare(context, scale, left, top, side) {
    const { width, height } = this.size(scale);
    const [aside, above] = [width / 2 / scale, height / 2 / scale];
    const area = { left: left / scale - aside, right: (left + side) / scale + aside, top: -top / scale + above, bottom: -(top + side) / scale - above };
    const sheet = this.thumbnails.sheetFor(width);
    context.fillStyle = getComputedStyle(this.canvas).backgroundColor;
    context.fillRect(0, 0, side, side);
    context.imageSmoothingEnabled = width < sheet.width;
    for (const k of this.places.within(area, this.accepts)) {
      const x = Math.round(this.places.x(k) * scale - left - width / 2);
      const y = Math.round(-this.places.y(k) * scale - top - height / 2);
      if (width < DOT) {
        context.fillStyle = this.thumbnails.colour(k);
        context.fillRect(x, y, width, height);
      } else {
        this.thumbnails.draw(context, sheet, k, x, y, width, height);
      }
    }
  }

  /** @param {Mark} mark */
  drawMark({ k, letter }) {
    const { context, pixel } = this;
    const { width, height } = this.size(this.camera.scale);
    const [x, y] = this.camera.toPixels(this.places.x(k), this.places.y(k));
    const [wide, high] = [Math.max(width, 14 * pixel), Math.max(height, 14 * pixel)];
    const sheet = this.thumbnails.sheetFor(wide);
    context.imageSmoothingEnabled = wide < sheet.width;
    this.thumbnails.draw(context, sheet, k, Math.round(x - wide / 2), Math.round(y - high / 2), wide, high);
    for (const [colour, line] of /** @type {[string, number][]} */ ([["#000", 5], ["#ffd84d", 3]])) {
      context.strokeStyle = colour;
      context.lineWidth = line * pixel;
      context.strokeRect(x - wide / 2 - pixel, y - high / 2 - pixel, wide + 2 * pixel, high + 2 * pixel);
    }
    if (letter) {
      context.font = `bold ${14 * pixel}px system-ui, sans-serif`;
      context.textBaseline = "bottom";
      context.lineWidth = 4 * pixel;
      context.strokeStyle = "#000";
      context.fillStyle = "#ffd84d";
      context.strokeText(letter, x - wide / 2, y - high / 2 - 3 * pixel);
      context.fillText(letter, x - wide / 2, y - high / 2 - 3 * pixel);
    }
  }

  /**
   * The image at a place of the canvas, the one drawn last if there are several, or one close by; -1: none.
   * @param {number} right CSS pixels.
   * @param {number} down
   */
  at(right, down) {
    const { camera, pixel } = this;
    const [x, y] = camera.toPlace(right * pixel, down * pixel);
    const { width, height } = this.size(camera.scale);
    const [aside, above] = [width / 2 / camera.scale, height / 2 / camera.scale];
    const over = this.places.within({ left: x - aside, right: x + aside, bottom: y - above, top: y + above }, this.accepts);
    return over.at(-1) ?? this.places.nearest(x, y, (REACH * pixel) / camera.scale, this.accepts);
  }

  /** The place on the map. @param {number} right CSS pixels. @param {number} down */
  placeAt(right, down) {
    return this.camera.toPlace(right * this.pixel, down * this.pixel);
  }
}
