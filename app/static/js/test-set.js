/**
 * The map: the encoded test set as thumbnails on a canvas. Hover shows what the decoder makes of a code, a click opens
 * the explorer there, and two clicks make a walk.
 */

import { announce, showError } from "./announce.js";
import { onKey } from "./keys.js";
import { watch } from "./map/gestures.js";
import { load } from "./map/load.js";
import { Panel } from "./map/panel.js";
import { Scales } from "./map/scales.js";
import { Stage } from "./map/stage.js";
import { Walk } from "./map/walk.js";
import { described, find, urlOf } from "./page.js";
import { share } from "./share.js";
import { State } from "./state.js";

/** @typedef {import("./state.js").Values} Values */

const STEP = 1.5; // of the zoom, for a key or a button
const PAN = 80; // CSS pixels, for a key
const EDGE = 40; // CSS pixels from the edge, where an image that keys go to still is
const REST = 300; // milliseconds until the address follows the map
const FORMATS = ["png", "webp", "npz", "json", "csv"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** The map of a model, once its images are there. */
class TestSet {
  /**
   * @param {import("./page.js").MapDescribed} map
   * @param {import("./map/load.js").Loaded} loaded
   */
  constructor(map, { places, thumbnails, classes }) {
    this.map = map;
    this.places = places;
    this.classes = classes;
    this.isPlane = map.method === "z_mean" && described.axes.length === 2; // every place is a code
    /** @type {Set<number>} */
    this.hidden = new Set();
    this.current = -1; // the image that the panel shows; -1: none, or a place without one
    this.resting = 0;
    /** @type {string | null} */
    this.told = null; // the place that the address and the camera agree on; null: the camera has moved since
    this.isShown = (/** @type {number} */ k) => !this.hidden.size || !this.hidden.has(classes[k]);
    this.stage = new Stage(places, thumbnails, this.isShown);
    this.stage.scales = this.isPlane ? new Scales() : null;
    this.panel = new Panel(places, thumbnails, (k) => this.nameOf(k));
    this.walk = new Walk();
    this.boxes = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("input[data-class]")]);
    this.state = new State({ x: "", y: "", zoom: "1", hidden: "", walk: "", a: "", b: "" }, (values) => this.show(values));
    this.listen();
    this.show(this.state.values);
    this.look(this.chosen("a") >= 0 ? this.chosen("a") : this.middle());
  }

  /** @param {number} k */
  nameOf(k) {
    return `Image ${k}${this.classes.length ? `, ${this.map.classes[this.classes[k]].name}` : ""}`;
  }

  /** The image where the walk begins or ends; -1: none is chosen. @param {"a" | "b"} name */
  chosen(name) {
    const text = this.state.values[name];
    return /^[0-9]{1,9}$/.test(text) && Number(text) < this.places.count ? Number(text) : -1;
  }

  get walking() {
    return this.state.values.walk === "1" || this.chosen("a") >= 0;
  }

  /** Show what the address says. @param {Values} values */
  show(values) {
    this.place(values);
    const hidden = new Set(values.hidden.split(",").filter(Boolean).map(Number));
    if ([...hidden].join() !== [...this.hidden].join()) {
      this.hidden = hidden;
      this.stage.redraw();
    }
    this.boxes.forEach((box, number) => {
      box.checked = !hidden.has(number);
    });
    this.mark();
    this.walk.show(this.walking, this.nextStep(), this.chosen("a"), this.chosen("b"));
  }

  /** Put the camera where the address says, unless it said so because the camera is there. @param {Values} values */
  place({ x, y, zoom }) {
    clearTimeout(this.resting);
    this.resting = 0;
    const { camera } = this.stage;
    if (this.told === `${x} ${y} ${zoom}`) {
      return;
    }
    this.told = `${x} ${y} ${zoom}`;
    camera.showAll();
    const [right, up, by] = [x, y, zoom].map((text) => (text === "" ? NaN : Number(text)));
    if (Number.isFinite(right) && Number.isFinite(up)) {
      Object.assign(camera, { x: right, y: up });
    }
    if (by > 0 && Number.isFinite(by)) {
      camera.zoomAt(by);
    }
    camera.keep();
    this.stage.change();
  }

  /** The address follows the map when it comes to rest. */
  rest() {
    this.told = null;
    clearTimeout(this.resting);
    this.resting = window.setTimeout(() => this.settle(), REST);
  }

  /** Let the address say where the map is, if it has moved since. */
  settle() {
    if (this.resting) {
      clearTimeout(this.resting);
      this.resting = 0;
      const { x, y, zoom, isWhole } = this.stage.camera;
      const [right, up] = [x, y].map((number) => String(Number(number.toPrecision(6))));
      const moved = { x: right, y: up, zoom: String(Number(zoom.toPrecision(4))) };
      const place = isWhole ? { x: "", y: "", zoom: "1" } : moved;
      this.told = `${place.x} ${place.y} ${place.zoom}`;
      this.state.set(place, { step: false });
    }
  }

  mark() {
    const ends = [{ k: this.chosen("a"), letter: "A" }, { k: this.chosen("b"), letter: "B" }];
    this.stage.marks = [{ k: this.current, letter: "" }, ...ends].filter(({ k }) => k >= 0);
    this.stage.change();
  }

  nextStep() {
    if (this.chosen("a") < 0) {
      return "Choose the image where the walk begins.";
    }
    return this.chosen("b") < 0 ? "Choose the image where it ends." : "From A to B. Choose another image to begin again.";
  }

  /** Show an image beside the map. @param {number} k -1: none. */
  look(k) {
    if (k >= 0 && k !== this.current) {
      this.current = k;
      this.panel.showImage(k);
      this.mark();
    }
  }

  /** Open an image in the explorer, or choose it for a walk. @param {number} k */
  take(k) {
    this.settle();
    if (!this.walking) {
      location.href = urlOf("explorer", { at: `map:${k}` });
      return;
    }
    const begins = this.chosen("a") < 0 || this.chosen("b") >= 0;
    this.state.set(begins ? { walk: "1", a: String(k), b: "" } : { b: String(k) });
    announce(`${this.nameOf(k)} chosen. ${this.nextStep()}`);
  }

  toggleWalk() {
    this.settle();
    this.state.set({ walk: this.walking ? "" : "1", a: "", b: "" });
    announce(this.walking ? this.nextStep() : "The walk has ended.");
  }

  /** @param {number} right @param {number} down CSS pixels of the canvas. */
  hover(right, down) {
    const k = this.stage.at(right, down);
    this.stage.canvas.style.cursor = k >= 0 || this.isPlane ? "pointer" : "grab";
    if (k >= 0) {
      this.look(k);
    } else if (this.isPlane) {
      this.current = -1;
      this.panel.showPlace(...this.stage.placeAt(right, down));
      this.mark();
    }
  }

  /** @param {number} right @param {number} down @param {string} kind Of the pointer. */
  click(right, down, kind) {
    const k = this.stage.at(right, down);
    const seen = k === this.current;
    this.hover(right, down);
    if (kind === "touch" && !this.walking && !(seen && k >= 0)) {
      return; // a finger cannot hover: its first touch shows what its second one opens
    }
    if (k >= 0) {
      this.take(k);
    } else if (this.isPlane && !this.walking) {
      this.settle();
      location.href = this.panel.open.href;
    }
  }

  /** Go to the next image in a direction. @param {number} right @param {number} up */
  step(right, up) {
    const { stage, places } = this;
    const next = this.current < 0 ? this.middle() : places.next(this.current, right, up, this.isShown);
    if (next >= 0) {
      this.look(next);
      stage.camera.see(places.x(next), places.y(next), EDGE * stage.pixel);
      stage.change();
      this.rest();
      announce(this.nameOf(next));
    }
  }

  /** The image in the middle of what is seen; -1: all are hidden. */
  middle() {
    const { x, y } = this.stage.camera;
    const { left, right, bottom, top } = this.places.bounds;
    return this.places.nearest(x, y, right - left + top - bottom, this.isShown);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const arrow = ARROWS[/** @type {keyof typeof ARROWS} */ (event.key)];
    if (event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (arrow && event.shiftKey) {
      this.pan(-arrow[0] * PAN, arrow[1] * PAN);
    } else if (arrow) {
      this.step(arrow[0], arrow[1]);
    } else if (event.key === "Enter" && this.current >= 0) {
      this.take(this.current);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {number} right @param {number} down CSS pixels. */
  pan(right, down) {
    this.stage.pan(right, down);
    this.rest();
  }

  /** @param {number} factor @param {number} [right] @param {number} [down] CSS pixels of what stays in its place. */
  zoom(factor, right, down) {
    this.stage.zoom(factor, right, down);
    this.rest();
  }

  showAll() {
    this.stage.camera.showAll();
    this.stage.change();
    this.rest();
  }

  /** Hide classes. @param {number[]} numbers */
  hide(numbers) {
    this.settle();
    this.state.set({ hidden: numbers.join(",") });
    announce(`${this.boxes.length - numbers.length} of ${this.boxes.length} classes are shown`);
  }

  listen() {
    watch(this.stage.canvas, {
      pan: (right, down) => this.pan(right, down),
      zoom: (factor, right, down) => this.zoom(factor, right, down),
      hover: (right, down) => this.hover(right, down),
      click: (right, down, kind) => this.click(right, down, kind),
    });
    this.stage.canvas.addEventListener("keydown", (event) => this.press(event));
    /** @type {[string, string, () => void][]} */
    const actions = [
      ["zoom-in", "+", () => this.zoom(STEP)],
      ["zoom-out", "-", () => this.zoom(1 / STEP)],
      ["show-all", "0", () => this.showAll()],
      ["walk-begin", "w", () => this.toggleWalk()],
    ];
    for (const [name, key, action] of actions) {
      find(`[data-${name}]`, HTMLButtonElement).addEventListener("click", action);
      onKey(key, action);
    }
    find("[data-walk-end]", HTMLButtonElement).addEventListener("click", () => {
      this.toggleWalk();
      this.walk.button.focus();
    });
    this.listenToClasses();
    new MutationObserver(() => this.stage.redraw()).observe(document.documentElement, { attributeFilter: ["data-scheme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.stage.redraw());
    addEventListener("pagehide", () => this.settle());
  }

  listenToClasses() {
    const numbers = [...this.boxes.keys()];
    for (const box of this.boxes) {
      box.addEventListener("change", () => this.hide(numbers.filter((number) => !this.boxes[number].checked)));
    }
    document.querySelector("[data-all-classes]")?.addEventListener("click", () => this.hide([]));
    document.querySelector("[data-no-classes]")?.addEventListener("click", () => this.hide(numbers));
  }
}

/** @param {import("./page.js").MapDescribed} map */
async function start(map) {
  for (const part of document.querySelectorAll("[data-with-script]")) {
    /** @type {HTMLElement} */ (part).hidden = false;
  }
  share("map", { show: map.classes.length ? "classes" : null }, FORMATS);
  new TestSet(map, await load(map));
}

if (described.map) {
  start(described.map).catch(showError);
}
