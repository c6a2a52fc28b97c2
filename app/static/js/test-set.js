/**
 * The map: the encoded test set as thumbnails on a canvas. Hover shows what the decoder makes of a code, a click opens
 * the explorer there, and two clicks make a walk.
 */

import { announce, showError } from "./announce.js";
import { onKey } from "./keys.js";
import { watch } from "./map/gestures.js";
import { load } from "./map/load.js";
import { Panel } from "./map/panel.js";
import { Stage } from "./map/stage.js";
import { Walk } from "./map/walk.js";
import { described, find, urlOf } from "./page.js";
import { share } from "./share.js";
import { State } from "./state.js";

/** @typedef {import("./state.js").Values} Values */

const STEP = 1.5; // of the zoom, for a key or a button
const PAN = 80; // CSS pixels, for a key
const REST = 300; // milliseconds until the address follows the map
const FORMATS = ["png", "webp", "npz", "json", "csv"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * Where the page is the map of a model.
 * @param {import("./page.js").MapDescribed} map
 */
async function start(map) {
  const { places, thumbnails, classes } = await load(map);
  /** @type {Set<number>} */
  let hidden = new Set();
  let current = -1; // the image that the panel shows; -1: none, or a place without one
  let resting = 0;
  const isShown = (/** @type {number} */ k) => !hidden.size || !hidden.has(classes[k]);
  const nameOf = (/** @type {number} */ k) => `Image ${k}${classes.length ? `, ${map.classes[classes[k]].name}` : ""}`;
  const stage = new Stage(places, thumbnails, isShown);
  const panel = new Panel(places, thumbnails, nameOf);
  const walk = new Walk();
  const boxes = /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll("input[data-class]")]);
  const isPlane = map.method === "z_mean" && described.axes.length === 2;
  const state = new State({ x: "", y: "", zoom: "1", hidden: "", walk: "", a: "", b: "" }, show);

  /** @param {"a" | "b"} name @returns {number} -1: none is chosen. */
  function chosen(name) {
    const k = state.values[name] === "" ? -1 : Number(state.values[name]);
    return Number.isInteger(k) && k < places.count ? k : -1;
  }

  function isWalking() {
    return state.values.walk === "1" || chosen("a") >= 0;
  }

  /** @param {Values} values */
  function show(values) {
    clearTimeout(resting);
    place(values);
    const wanted = new Set(values.hidden.split(",").filter(Boolean).map(Number));
    if ([...wanted].join() !== [...hidden].join()) {
      hidden = wanted;
      stage.redraw();
    }
    boxes.forEach((box, number) => {
      box.checked = !hidden.has(number);
    });
    mark();
    walk.show(isWalking(), nextStep(), chosen("a"), chosen("b"));
  }

  /** @param {Values} values */
  function place({ x, y, zoom }) {
    const { camera } = stage;
    camera.showAll();
    const [right, up, by] = [x === "" ? NaN : Number(x), y === "" ? NaN : Number(y), Number(zoom)];
    if (Number.isFinite(right) && Number.isFinite(up)) {
      Object.assign(camera, { x: right, y: up });
    }
    if (by > 0 && Number.isFinite(by)) {
      camera.zoomAt(by);
    }
    camera.keep();
    stage.change();
  }

  /** The address follows the map when it comes to rest. */
  function rest() {
    clearTimeout(resting);
    resting = window.setTimeout(() => {
      const { x, y, zoom } = stage.camera;
      const [right, up] = [x, y].map((number) => String(Number(number.toPrecision(6))));
      const all = zoom === 1 && x === (places.bounds.left + places.bounds.right) / 2 && y === (places.bounds.bottom + places.bounds.top) / 2;
      state.set(all ? { x: "", y: "", zoom: "1" } : { x: right, y: up, zoom: String(Number(zoom.toPrecision(4))) }, { step: false });
    }, REST);
  }

  function mark() {
    const walked = isWalking() ? [{ k: chosen("a"), letter: "A" }, { k: chosen("b"), letter: "B" }] : [];
    stage.marks = [{ k: current, letter: "" }, ...walked].filter(({ k }) => k >= 0);
    stage.change();
  }

  function nextStep() {
    if (chosen("a") < 0) {
      return "Choose the image where the walk begins.";
    }
    return chosen("b") < 0 ? "Choose the image where it ends." : "From A to B. Choose another image to begin again.";
  }

  /** @param {number} k */
  function look(k) {
    if (k !== current) {
      current = k;
      panel.showImage(k);
      mark();
    }
  }

  /** Open an image in the explorer, or choose it for a walk. @param {number} k */
  function take(k) {
    if (!isWalking()) {
      location.href = urlOf("explorer", { at: `map:${k}` });
      return;
    }
    const begins = chosen("a") < 0 || chosen("b") >= 0;
    state.set(begins ? { walk: "1", a: String(k), b: "" } : { b: String(k) });
    announce(`${nameOf(k)} chosen. ${nextStep()}`);
  }

  function toggleWalk() {
    state.set({ walk: isWalking() ? "" : "1", a: "", b: "" });
    announce(isWalking() ? nextStep() : "The walk has ended.");
  }

  /** @param {number} right @param {number} down */
  function hover(right, down) {
    const k = stage.at(right, down);
    stage.canvas.style.cursor = k >= 0 || isPlane ? "pointer" : "grab";
    if (k >= 0) {
      look(k);
    } else if (isPlane) {
      current = -1;
      panel.showPlace(...stage.placeAt(right, down));
      mark();
    }
  }

  /** @param {number} right @param {number} down @param {string} kind */
  function click(right, down, kind) {
    const k = stage.at(right, down);
    const isNew = k !== current;
    hover(right, down);
    if (kind === "touch" && isNew && !isWalking()) {
      return; // a finger cannot hover: its first touch shows what its second one opens
    }
    if (k >= 0) {
      take(k);
    } else if (isPlane && !isWalking()) {
      location.href = panel.open.href;
    }
  }

  /** Go to the next image in a direction. @param {number} right @param {number} up */
  function step(right, up) {
    const next = current < 0 ? middle() : places.next(current, right, up, isShown);
    if (next >= 0) {
      look(next);
      stage.camera.see(places.x(next), places.y(next), 40 * stage.pixel);
      stage.change();
      rest();
      announce(nameOf(next));
    }
  }

  function middle() {
    const { x, y } = stage.camera;
    const { left, right, bottom, top } = places.bounds;
    return places.nearest(x, y, right - left + top - bottom, isShown);
  }

  /** @param {KeyboardEvent} event */
  function press(event) {
    const arrow = ARROWS[/** @type {keyof typeof ARROWS} */ (event.key)];
    if (event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    if (arrow && event.shiftKey) {
      stage.pan(-arrow[0] * PAN, arrow[1] * PAN);
      rest();
    } else if (arrow) {
      step(arrow[0], arrow[1]);
    } else if (event.key === "Enter" && current >= 0) {
      take(current);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {number} factor */
  function zoom(factor) {
    stage.zoom(factor);
    rest();
  }

  function showAll() {
    stage.camera.showAll();
    stage.change();
    rest();
  }

  function listen() {
    watch(stage.canvas, {
      pan: (right, down) => {
        stage.pan(right, down);
        rest();
      },
      zoom: (factor, right, down) => {
        stage.zoom(factor, right, down);
        rest();
      },
      hover,
      click,
    });
    stage.canvas.addEventListener("keydown", press);
    const on = (/** @type {string} */ name, /** @type {() => void} */ action) =>
      find(`[data-${name}]`, HTMLButtonElement).addEventListener("click", action);
    on("zoom-in", () => zoom(STEP));
    on("zoom-out", () => zoom(1 / STEP));
    on("show-all", showAll);
    on("walk-begin", toggleWalk);
    on("walk-end", toggleWalk);
    onKey("+", () => zoom(STEP));
    onKey("-", () => zoom(1 / STEP));
    onKey("0", showAll);
    onKey("w", toggleWalk);
    for (const box of boxes) {
      box.addEventListener("change", () => hide(boxes.flatMap((each, number) => (each.checked ? [] : [number]))));
    }
    if (boxes.length) {
      on("all-classes", () => hide([]));
      on("no-classes", () => hide(boxes.map((_, number) => number)));
    }
    new MutationObserver(() => stage.redraw()).observe(document.documentElement, { attributeFilter: ["data-scheme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => stage.redraw());
  }

  /** @param {number[]} numbers Of classes. */
  function hide(numbers) {
    state.set({ hidden: numbers.join(",") });
    const left = map.classes.length - numbers.length;
    announce(`${left} of ${map.classes.length} classes are shown`);
  }

  listen();
  show(state.values);
  const first = chosen("a") >= 0 ? chosen("a") : middle();
  if (first >= 0) {
    look(first);
  }
  share("map", { show: map.classes.length ? "classes" : null }, FORMATS);
}

if (described.map) {
  for (const part of document.querySelectorAll("[data-with-script]")) {
    /** @type {HTMLElement} */ (part).hidden = false;
  }
  start(described.map).catch(showError);
}
