/**
 * The image with its missing part, in which one paints by mouse, pen, finger or keys.
 */

import { announce } from "../announce.js";
import { contextOf } from "../images/odd.js";
import { Mask } from "./mask.js";

/** @typedef {[number, number]} Cell Row and column. */
/** @typedef {{tool: string, size: number}} Brush tool: away, back, or rectangle, which is away too. */

const SIDE = 448; // of the drawn image at least, in pixels of the canvas
/** @type {Record<string, Cell>} */
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Draws the image with its mask and lets it be changed. */
export class Editor {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Mask} mask
   * @param {() => Brush} brush What is chosen now.
   * @param {(mask: Mask) => void} changed Called when a stroke ends.
   */
  constructor(canvas, mask, brush, changed) {
    this.canvas = canvas;
    this.mask = mask;
    this.brush = brush;
    this.changed = changed;
    this.cell = Math.max(1, Math.ceil(SIDE / Math.max(mask.height, mask.width)));
    canvas.width = mask.width * this.cell;
    canvas.height = mask.height * this.cell;
    /** @type {ImageData | null} */
    this.image = null;
    /** @type {Cell} */
    this.cursor = [Math.floor(mask.height / 2), Math.floor(mask.width / 2)];
    /** @type {{from: Cell, last: Cell, before: Mask} | null} */
    this.stroke = null;
    /** @type {Mask[]} */
    this.past = [];
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", () => this.end());
    canvas.addEventListener("pointercancel", () => this.cancel());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => this.draw());
  }

  /** @param {PointerEvent} event @returns {Cell} */
  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (/** @type {number} */ place, /** @type {number} */ size, /** @type {number} */ cells) =>
      Math.min(cells - 1, Math.max(0, Math.floor((place / size) * cells)));
    return [at(event.clientY - box.top, box.height, this.mask.height), at(event.clientX - box.left, box.width, this.mask.width)];
  }

  /** @param {PointerEvent} event */
  begin(event) {
    if (event.button !== 0) {
      return;
    }
    const at = this.cellAt(event);
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = { from: at, last: at, before: this.mask.copy() };
    this.cursor = at;
    this.paint(at);
  }

  /** @param {PointerEvent} event */
  move(event) {
    if (this.stroke) {
      this.paint(this.cellAt(event));
    }
  }

  /** @param {Cell} to */
  paint(to) {
    if (!this.stroke) {
      return;
    }
    const { tool, size } = this.brush();
    if (tool === "rectangle") {
      this.mask = this.stroke.before.copy();
      this.mask.rectangle(this.stroke.from, to, 1);
    } else {
      this.mask.stroke(this.stroke.last, to, size, tool === "away" ? 1 : 0);
    }
    this.stroke.last = to;
    this.draw();
  }

  end() {
    if (this.stroke) {
      const { before } = this.stroke;
      this.stroke = null;
      this.finish(before);
    }
  }

  /** The browser took the pointer for something else: what was painted by it is not meant. */
  cancel() {
    this.mask = this.stroke?.before ?? this.mask;
    this.stroke = null;
    this.draw();
  }

  /** @param {Mask} before */
  finish(before) {
    if (!this.mask.equals(before)) {
      this.past.push(before);
      this.changed(this.mask);
    }
    this.draw();
  }

  /**
   * Change the mask in one step, which can be undone.
   * @param {(mask: Mask) => Mask | void} change
   */
  change(change) {
    const before = this.mask.copy();
    this.mask = change(this.mask) ?? this.mask;
    this.finish(before);
  }

  /** Undo the last change. @returns {boolean} Whether there was one. */
  undo() {
    const before = this.past.pop();
    if (before) {
      this.mask = before;
      this.changed(this.mask);
      this.draw();
    }
    return before !== undefined;
  }

  /** Show another mask, as "back" does. @param {Mask} mask */
  show(mask) {
    if (!this.stroke && !this.mask.equals(mask)) {
      this.mask = mask;
    }
    this.draw();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const move = MOVES[event.key];
    const paints = event.key === " " || event.key === "Enter";
    if ((!move && !paints) || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    if (move) {
      const within = (/** @type {number} */ place, /** @type {number} */ cells) => Math.min(cells - 1, Math.max(0, place));
      this.cursor = [within(this.cursor[0] + move[0], this.mask.height), within(this.cursor[1] + move[1], this.mask.width)];
    }
    const { tool, size } = this.brush();
    if (paints || event.shiftKey) {
      this.change((mask) => mask.spot(...this.cursor, size, tool === "back" ? 0 : 1));
    }
    const [row, column] = this.cursor;
    const missing = this.mask.missing[row * this.mask.width + column];
    announce(`Row ${row + 1}, column ${column + 1}: ${missing ? "missing" : "seen"}`);
    this.draw();
  }

  /** @param {ImageData} image Levels as they are to be drawn, of the mask's size. */
  setImage(image) {
    this.image = image;
    this.draw();
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { cell, mask } = this;
    if (!context) {
      return;
    }
    context.imageSmoothingEnabled = false;
    if (this.image) {
      const small = contextOf(mask.width, mask.height);
      small.putImageData(this.image, 0, 0);
      context.drawImage(small.canvas, 0, 0, this.canvas.width, this.canvas.height);
    }
    mask.missing.forEach((bit, i) => bit && this.drawMissing(context, Math.floor(i / mask.width), i % mask.width));
    if (this.canvas.matches(":focus-visible")) {
      const [row, column] = this.cursor;
      context.lineWidth = 4;
      context.strokeStyle = "#fff";
      context.strokeRect(column * cell, row * cell, cell, cell);
      context.lineWidth = 2;
      context.strokeStyle = "#c2185b";
      context.strokeRect(column * cell, row * cell, cell, cell);
    }
  }

  /** Two colours in each cell: no image has them, whatever its levels. @param {CanvasRenderingContext2D} context @param {number} row @param {number} column */
  drawMissing(context, row, column) {
    const { cell } = this;
    const half = cell / 2;
    context.fillStyle = "#e8a33d";
    context.fillRect(column * cell, row * cell, cell, cell);
    context.fillStyle = "#c47f17";
    context.fillRect(column * cell, row * cell, half, half);
    context.fillRect(column * cell + half, row * cell + half, half, half);
  }
}
