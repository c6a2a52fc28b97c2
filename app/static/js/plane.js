/**
 * A plane of the latent space: zoom in, click a place, walk from one place to another.
 */

import { announce, showError } from "./announce.js";
import { showPicture } from "./ask.js";
import { onKey } from "./keys.js";
import { Latest } from "./latest.js";
import { Newest } from "./newest.js";
import { described, find, make, root, urlOf } from "./page.js";
import { EDGES, MANIFOLD_EDGES, PlaneAxis } from "./plane/axis.js";
import { heldOut } from "./plane/held.js";
import { overlayOf } from "./plane/overlay.js";
import { Viewer } from "./plane/viewer.js";
import { remembered } from "./remembered.js";
import { Ruler, SPACE } from "./ruler.js";
import { share } from "./share.js";
import { State } from "./state.js";
import { codeAt, pointOf } from "./explorer/codes.js";

/** @typedef {import("./plane/viewer.js").Place} Place */
/** @typedef {import("./state.js").Values} Values */

const CELLS = 21; // in a row of the picture that is shared
const STEPS = 9;
const FORMATS = ["png", "webp", "zip", "npz", "json"];

const choices = find("[data-choices]", HTMLFormElement);
const panel = find("[data-place]", HTMLElement);
const picture = find("[data-place-picture]", HTMLImageElement);
const legend = find("[data-legend]", HTMLElement);
const about = find("[data-legend-about]", HTMLElement);
const isAll = described.axes.length === 2;

/** @type {number[]} The code that holds the other axes. */
let held = [];
/** @type {string} What lies over the plane; empty: what lay over it was taken away. */
let covered = "images";

const rulers = { x: new Ruler("x"), y: new Ruler("y") };

/** The axes to the right and upwards, and their numbers. @param {Values} values @param {number[]} edges */
function axesOf({ x, y }, edges) {
  const numbers = [Number(x), Number(y)];
  return { numbers, axes: numbers.map((number) => new PlaneAxis(described.axes[number], edges)) };
}

/** The code of a place. @param {Values} values @param {Place} place */
function codeOf(values, place) {
  const { numbers, axes } = axesOf(values, EDGES);
  const code = isAll ? [0, 0] : [...held];
  code[numbers[0]] = axes[0].value(place.x);
  code[numbers[1]] = axes[1].value(1 - place.y);
  return code;
}

/** @param {number} number @param {number} digits */
function written(number, digits) {
  return number.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−");
}

/** Where a place is, and which share of codes lies to its left and below. @param {Values} values @param {Place} place */
async function wordsOf(values, place) {
  const { numbers, axes } = axesOf(values, EDGES);
  const code = codeOf(values, place);
  const at = `z of axis ${numbers.map((number) => `${number} is ${written(code[number], 2)}`).join(", of axis ")}.`;
  const test = described.map && (await heldOut());
  const [left, below] = test
    ? numbers.map((number) => test.below(number, code[number]))
    : [axes[0].share(place.x), axes[1].share(1 - place.y)];
  const whose = test ? `Of the codes of ${test.count.toLocaleString("en")} test images` : "By a Gaussian fitted to each axis,";
  return `${at} ${whose} ${written(100 * left, 1)} % lie further left, ${written(100 * below, 1)} % further down.`;
}

/** Say between which codes the plane lies. @param {Values} values */
function showRanges(values) {
  const ranges = (/** @type {number[]} */ edges) => {
    const { numbers, axes } = axesOf(values, edges);
    return axes.map((axis, k) => `axis ${numbers[k]} from ${written(axis.value(0), 2)} to ${written(axis.value(1), 2)}`).join(", ");
  };
  find("[data-ranges]", HTMLElement).textContent =
    `The plane: ${ranges(EDGES)}; by a Gaussian fitted to each axis, these are its middle 99.8 %. ` +
    `A picture to share is of the middle 90 %: ${ranges(MANIFOLD_EDGES)}.`;
}

/** The numbers beside what is seen. @param {Values} values @param {Viewer} viewer */
function showScales(values, viewer) {
  const { numbers, axes: [right, up] } = axesOf(values, EDGES);
  const { left, top, width, height, seen } = viewer.box();
  const inside = (/** @type {number} */ part) => Math.min(Math.max(part, 0), 1);
  const [from, to] = [inside(-left / width), inside((seen.width - left) / width)];
  const [high, low] = [inside(-top / height), inside((seen.height - top) / height)];
  const across = right.ticks(from, to, ((to - from) * width) / SPACE);
  const upwards = up.ticks(1 - low, 1 - high, ((low - high) * height) / SPACE);
  rulers.x.show(across.map((value) => ({ value, at: left + width * right.part(value) })), `z, axis ${numbers[0]}`);
  rulers.y.show(upwards.map((value) => ({ value, at: top + height * (1 - up.part(value)) })), `z, axis ${numbers[1]}`);
}

/** @param {string} text Like `0.25,0.5`; what lies beyond the image is none of its places. @returns {Place | null} */
function placeOf(text) {
  const [x, y] = text.split(",").map(Number);
  return [x, y].every((part) => part >= 0 && part <= 1) ? { x, y } : null;
}

/** @param {Place} place */
function textOf({ x, y }) {
  return `${x.toFixed(5)},${y.toFixed(5)}`;
}

/** The parameters of `/manifold` that say which plane. @param {Values} values */
function planeOf({ x, y, at }) {
  return { x, y, at: isAll ? null : at || null };
}

/** @param {Values} values */
function identifierOf(values) {
  const parts = Object.entries(planeOf(values)).flatMap(([name, value]) => (value ? [`${name}=${value}`] : []));
  return [described.model, ...parts].map(encodeURIComponent).join(";").replace(/%(3D|3A|2C|7E|2A)/g, decodeURIComponent);
}

const newest = new Newest(async (/** @type {string} */ url) => {
  await showPicture(picture, url).catch(showError);
});

/** @param {Values} values @param {AbortSignal} signal */
async function showPlaces(values, signal) {
  const here = placeOf(values.place);
  panel.hidden = !here;
  if (!here) {
    return;
  }
  const point = pointOf(codeOf(values, here));
  newest.ask(urlOf("decode", { points: point }));
  find("[data-explore]", HTMLAnchorElement).href = urlOf("explorer", { at: point });
  const words = await wordsOf(values, here);
  signal.throwIfAborted();
  find("[data-place-words]", HTMLElement).textContent = words;
  picture.alt = `The image at this place. ${words}`;
  const from = placeOf(values.from);
  const way = find("[data-way]", HTMLElement);
  way.hidden = !from;
  if (from) {
    const asked = { from: pointOf(codeOf(values, from)), to: point };
    find("[data-way-open]", HTMLAnchorElement).href = urlOf("explorer", { at: asked.from, to: point, path: "linear" });
    await showPicture(find("[data-way-picture]", HTMLImageElement), urlOf("interpolate", { ...asked, steps: STEPS }), signal);
  }
}

/** @param {Values} values @param {Viewer} viewer @param {AbortSignal} signal */
async function cover(values, viewer, signal) {
  if (values.show === covered) {
    return;
  }
  covered = "";
  legend.replaceChildren();
  about.textContent = "";
  viewer.cover(null, true);
  if (values.show !== "images") {
    const found = overlayOf(values.show, await heldOut(), axesOf(values, EDGES));
    signal.throwIfAborted();
    viewer.cover(found.url, Boolean(described.map?.on_white));
    for (const { name, colour } of found.legend) {
      const mark = make("span", { class: "colour" });
      mark.style.backgroundColor = colour;
      legend.append(make("li", {}, mark, name));
    }
    about.textContent = found.words;
  }
  covered = values.show;
}

/**
 * What shows a view's values, the latest alone.
 * @param {Viewer} viewer
 */
function shower(viewer) {
  const latest = new Latest();
  let seen = ""; // the plane that is open
  const open = remembered(async (/** @type {string} */ address, /** @type {Values} */ { at }) => {
    [seen, covered] = ["", "images"];
    const code = isAll ? [] : codeAt(at || (described.examples ? "example:0" : "centre"));
    return (await Promise.all([code, viewer.open(address)]))[0];
  }, 1);
  const show = async (/** @type {Values} */ values, /** @type {AbortSignal} */ signal) => {
    const address = new URL(`manifold/${identifierOf(values)}/info.json`, root).href;
    find("[data-iiif]", HTMLElement).textContent = address;
    held = await open(address, values);
    signal.throwIfAborted();
    const [zoom, x, y] = values.view.split(",").map(Number);
    if (address !== seen && values.view && Number.isFinite(zoom + x + y)) {
      viewer.look({ zoom, x, y });
    }
    seen = address;
    showRanges(values);
    showScales(values, viewer);
    await cover(values, viewer, signal);
    await showPlaces(values, signal);
    share("manifold", { ...planeOf(values), show: values.show === "images" ? null : values.show, columns: CELLS, rows: CELLS }, FORMATS);
  };
  return (/** @type {Values} */ values) => {
    showError(null);
    for (const field of /** @type {NodeListOf<HTMLSelectElement | HTMLInputElement>} */ (choices.querySelectorAll("select, input[type=text]"))) {
      field.value = values[field.name] ?? field.value;
    }
    latest.ask((signal) => show(values, signal)).catch(showError);
  };
}

function start() {
  const [x, y] = ["x", "y"].map((name) => find(`select[name=${name}]`, HTMLSelectElement).dataset.default ?? "");
  const element = find("[data-viewer]", HTMLElement);
  const viewer = new Viewer(
    element,
    (place) => {
      state.set({ place: textOf(place) });
      announce("The image at this place is shown beside the plane");
    },
    ({ zoom, x: across, y: down }) => {
      state.set({ view: `${zoom.toFixed(3)},${across.toFixed(4)},${down.toFixed(4)}` }, { step: false });
    },
    () => showScales(state.values, viewer),
  );
  const state = new State({ x, y, at: "", show: "images", place: "", from: "", view: "" }, shower(viewer));
  choices.addEventListener("submit", (event) => event.preventDefault());
  choices.addEventListener("change", (event) => {
    if (event.target instanceof HTMLSelectElement || event.target instanceof HTMLInputElement) {
      /** @type {Values} Places of another plane are none of this one. */
      const other = event.target.name === "show" ? {} : { place: "", from: "", view: "" };
      const { name, value } = event.target;
      const twin = name === "x" ? "y" : "x"; // an axis that is chosen twice leaves its place to the other
      /** @type {Values} */
      const swapped = value === state.values[twin] ? { [twin]: state.values[name] } : {};
      state.set({ [name]: value, ...(name in { x: 0, y: 0 } ? swapped : {}), ...other });
    }
  });
  /** @type {Record<string, () => void>} */
  const actions = { "+": () => viewer.zoomBy(2), "-": () => viewer.zoomBy(0.5), h: () => viewer.home() };
  for (const [key, action] of Object.entries(actions)) {
    onKey(key, action);
    find(`[data-do="${key}"]`, HTMLButtonElement).addEventListener("click", action);
  }
  find("[data-set-from]", HTMLButtonElement).addEventListener("click", () => state.set({ from: state.values.place }));
  find("[data-end-way]", HTMLButtonElement).addEventListener("click", () => state.set({ from: "" }));
  state.show(state.values);
}

if (document.querySelector("[data-viewer]")) {
  start();
}
