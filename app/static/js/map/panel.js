/**
 * What is shown of one image, or of a place without one: the image, what the decoder makes of its code, its class.
 */

import { Picture } from "../explorer/picture.js";
import { described, find, urlOf } from "../page.js";

/** @param {number} number */
const short = (number) => String(Number(number.toPrecision(4)));

/** The panel beside the map. */
export class Panel {
  /**
   * @param {import("./places.js").Places} places
   * @param {import("./thumbnails.js").Thumbnails} thumbnails
   * @param {(k: number) => string} nameOf
   */
  constructor(places, thumbnails, nameOf) {
    this.places = places;
    this.thumbnails = thumbnails;
    this.nameOf = nameOf;
    this.picture = new Picture();
    this.real = find("canvas[data-real]", HTMLCanvasElement);
    this.open = find("a[data-open]", HTMLAnchorElement);
    const [height, width] = described.shape;
    Object.assign(this.real, { width, height });
  }

  /** @param {number} k Number of an image. */
  showImage(k) {
    const { plain } = this.thumbnails;
    const context = /** @type {CanvasRenderingContext2D} */ (this.real.getContext("2d"));
    this.thumbnails.draw(context, plain, k, 0, 0, plain.width, plain.height);
    this.real.dataset.image = String(k);
    this.show(this.nameOf(k), this.places.x(k), this.places.y(k), `map:${k}`, true);
  }

  /** Show a place of a model of two axes, which is a code. @param {number} x @param {number} y */
  showPlace(x, y) {
    this.show("No image here", x, y, `z:${short(x)},${short(y)}`, false);
  }

  /**
   * @param {string} title
   * @param {number} x
   * @param {number} y
   * @param {string} point
   * @param {boolean} image Whether an image is there.
   */
  show(title, x, y, point, image) {
    find("[data-title]", HTMLElement).textContent = title;
    find("[data-place]", HTMLElement).textContent = `${short(x)}, ${short(y)}`;
    find("[data-real-figure]", HTMLElement).hidden = !image;
    find("[data-decoded-title]", HTMLElement).textContent = image ? "decoded from its code" : "decoded from this place";
    this.open.href = urlOf("explorer", { at: point });
    this.picture.show({ point, render: "mean", noise: "1" });
  }
}
