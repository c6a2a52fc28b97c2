/**
 * The images of a map, on the colours of their classes, in several sizes: each half of the one before.
 */

const SMALLEST = 6; // pixels of a side below which no smaller copies are made

/** @typedef {{image: ImageBitmap, width: number, height: number}} Sheet Of thumbnails of width x height pixels. */

/** Thumbnails that are drawn from the smallest sheet that is not smaller than they. */
export class Thumbnails {
  /**
   * @param {ImageBitmap} sprites The sprite sheet.
   * @param {number} columns Thumbnails in a row of it.
   * @param {number[]} shape Height and width of a thumbnail.
   * @param {ArrayLike<number>} classes Of the images; empty: they have none.
   * @param {{colour: string}[]} colours Of the classes.
   * @param {boolean} onWhite Their ground is white, and takes a colour by multiplication; else it is black.
   */
  constructor(sprites, columns, [height, width], classes, colours, onWhite) {
    this.columns = columns;
    this.classes = classes;
    this.colours = colours;
    this.plain = { image: sprites, width, height };
    /** @type {Sheet[]} */
    this.sheets = [classes.length ? this.tinted(onWhite) : this.plain];
    for (let last = this.sheets[0]; last.width % 2 === 0 && last.height % 2 === 0 && last.width / 2 >= SMALLEST; ) {
      last = halved(last);
      this.sheets.push(last);
    }
  }

  /** @param {boolean} onWhite @returns {Sheet} */
  tinted(onWhite) {
    const { image, width, height } = this.plain;
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = contextOf(canvas);
    for (let k = 0; k < this.classes.length; k++) {
      context.fillStyle = this.colour(k);
      context.fillRect((k % this.columns) * width, Math.floor(k / this.columns) * height, width, height);
    }
    context.globalCompositeOperation = onWhite ? "multiply" : "screen";
    context.drawImage(image, 0, 0);
    return { image: canvas.transferToImageBitmap(), width, height };
  }

  /** @param {number} k @returns {string} The colour of its class; of images without classes a grey. */
  colour(k) {
    return this.classes.length ? this.colours[this.classes[k]].colour : "#8590a0";
  }

  /**
   * The sheet that thumbnails of a width are drawn from.
   * @param {number} width
   */
  sheetFor(width) {
    return this.sheets.findLast((sheet) => sheet.width >= width) ?? this.sheets[0];
  }

  /**
   * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} context
   * @param {Sheet} sheet
   * @param {number} k
   * @param {number} left
   * @param {number} top
   * @param {number} width
   * @param {number} height
   */
  draw(context, sheet, k, left, top, width, height) {
    const column = k % this.columns;
    const row = (k - column) / this.columns;
    context.drawImage(
      sheet.image, column * sheet.width, row * sheet.height, sheet.width, sheet.height, left, top, width, height,
    );
  }
}

/** @param {OffscreenCanvas} canvas */
export function contextOf(canvas) {
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) {
    throw new Error("This browser draws no canvas.");
  }
  return context;
}

/** @param {Sheet} sheet @returns {Sheet} */
function halved({ image, width, height }) {
  const canvas = new OffscreenCanvas(image.width / 2, image.height / 2);
  contextOf(canvas).drawImage(image, 0, 0, canvas.width, canvas.height);
  return { image: canvas.transferToImageBitmap(), width: width / 2, height: height / 2 };
}
