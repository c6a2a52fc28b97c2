/**
 * From A to B: one request has all images of the way, and a scrubber goes through them.
 */

import { announce, showError } from "../announce.js";
import { blobOf } from "../ask.js";
import { Latest } from "../latest.js";
import { described, find, urlOf } from "../page.js";
import { facts } from "../pictures.js";
import { remembered } from "../remembered.js";

const FRAME = 100; // milliseconds: ten images a second

/** @typedef {{point: string, bitmap: ImageBitmap}} Frame */
/** @typedef {import("../state.js").Values} Values */

const [height, width] = described.shape;

/** The images of a way; the last way alone is remembered. */
const framesOf = remembered(async (/** @type {string} */ parameters) => {
  const answer = await facts("interpolate.json", JSON.parse(parameters));
  const frames = answer.images.map(async (/** @type {{point: string, picture: string}} */ { point, picture }) => ({
    point,
    bitmap: await createImageBitmap(blobOf(picture)),
  }));
  return /** @type {Promise<Frame[]>} */ (Promise.all(frames));
}, 1);

/** The panel of the way. */
export class Way {
  /** @param {(changes: Values, how?: {step?: boolean}) => void} change The view's state is to change. */
  constructor(change) {
    this.change = change;
    this.panel = find("[data-way]", HTMLElement);
    this.frame = find("canvas[data-frame]", HTMLCanvasElement);
    this.film = find("canvas[data-film]", HTMLCanvasElement);
    this.scrubber = find("input[data-scrub]", HTMLInputElement);
    this.button = find("button[data-play]", HTMLButtonElement);
    /** @type {Frame[]} */
    this.frames = [];
    this.at = 0;
    this.turn = 1;
    this.timer = 0;
    this.latest = new Latest();
    this.seen = false;
    /** @type {Values | null} */
    this.values = null;
    this.listen();
  }

  listen() {
    this.scrubber.addEventListener("input", () => this.goTo(this.scrubber.valueAsNumber));
    this.scrubber.addEventListener("change", () => this.keep());
    this.button.addEventListener("click", () => this.toggle());
    this.film.addEventListener("click", (event) => {
      this.goTo(Math.floor((event.offsetX / this.film.clientWidth) * this.frames.length));
      this.keep();
    });
    // A way that nobody looks at is not asked for.
    new IntersectionObserver(([entry]) => {
      this.seen ||= entry.isIntersecting;
      this.load().catch(showError);
    }).observe(this.panel);
  }

  /** @param {Values} values */
  show(values) {
    this.values = values;
    for (const name of ["from", "to", "steps"]) {
      find(`[name="${name}"]`, HTMLInputElement, this.panel).value = values[name];
    }
    for (const choice of this.panel.querySelectorAll('input[name="path"]')) {
      const radio = /** @type {HTMLInputElement} */ (choice);
      radio.checked = radio.value === values.path;
    }
    if (this.seen) {
      this.load().catch(showError);
    }
  }

  /** What the way is asked for with. */
  parameters() {
    const { from, to, steps, path } = /** @type {Values} */ (this.values);
    return { from, to, steps, path };
  }

  async load() {
    if (!this.seen || !this.values) {
      return;
    }
    const asked = JSON.stringify(this.parameters());
    const frames = await this.latest.ask(() => framesOf(asked));
    if (frames !== this.frames) {
      this.frames = frames;
      this.drawFilm();
      this.link();
    }
    if (!this.timer) {
      this.goTo(Math.round(Number(this.values.t) * (this.frames.length - 1)) || 0);
    }
  }

  link() {
    for (const link of this.panel.querySelectorAll("a[data-format]")) {
      const { format } = /** @type {HTMLElement} */ (link).dataset;
      const animated = format === "webp" ? {} : { loop: "bounce", zoom: 8 };
      link.setAttribute("href", urlOf(`interpolate.${format}`, { ...this.parameters(), ...animated }));
    }
  }

  drawFilm() {
    Object.assign(this.film, { width: width * this.frames.length, height });
    this.frames.forEach(({ bitmap }, k) => this.film.getContext("2d")?.drawImage(bitmap, k * width, 0));
    this.scrubber.max = String(this.frames.length - 1);
  }

  /** @param {number} k */
  goTo(k) {
    if (!this.frames.length) {
      return;
    }
    this.at = Math.min(this.frames.length - 1, Math.max(0, k));
    const { bitmap, point } = this.frames[this.at];
    Object.assign(this.frame, { width, height });
    this.frame.getContext("2d")?.drawImage(bitmap, 0, 0);
    this.frame.dataset.point = point;
    this.scrubber.value = String(this.at);
    const words = `image ${this.at + 1} of ${this.frames.length}`;
    this.scrubber.setAttribute("aria-valuetext", words);
    find("[data-frame-number]", HTMLElement, this.panel).textContent = words;
    find("[data-film-mark]", HTMLElement, this.panel).style.left = `${(this.at / this.frames.length) * 100}%`;
    find("[data-film-mark]", HTMLElement, this.panel).style.width = `${100 / this.frames.length}%`;
  }

  /** Keep the place in the address. */
  keep() {
    this.change({ t: String(Number((this.at / Math.max(1, this.frames.length - 1)).toFixed(3))) }, { step: false });
  }

  toggle() {
    if (this.timer) {
      clearInterval(this.timer);
      this.timer = 0;
      this.keep();
    } else if (this.frames.length > 1) {
      this.timer = window.setInterval(() => this.advance(), FRAME);
    }
    this.button.textContent = this.timer ? "Pause" : "Play";
    announce(this.timer ? "Playing" : `Paused at image ${this.at + 1}`);
  }

  /** There and back again. */
  advance() {
    const last = this.frames.length - 1;
    if (this.at + this.turn < 0 || this.at + this.turn > last) {
      this.turn = -this.turn;
    }
    this.goTo(this.at + this.turn);
  }

  /** The point of the image that is shown. */
  get point() {
    return this.frames[this.at]?.point ?? null;
  }
}
