/**
 * A plane of the latent space: zoom in, click a place, walk from one place to another.
 */

import { announce, showError } from "./announce.js";
import { ask, showPicture } from "./ask.js";
import { onKey } from "./keys.js";
import { Latest } from "./latest.js";
import { Newest } from "./newest.js";
import { described, find, make, root, urlOf } from "./page.js";
import { quantile } from "./plane/normal.js";
import { quantilesOf, Viewer } from "./plane/viewer.js";
import { remembered } from "./remembered.js";
import { share } from "./share.js";
import { State } from "./state.js";
import { codeAt, pointOf } from "./explorer/codes.js";

/** @typedef {import("./plane/viewer.js").Place} Place */
/** @typedef {import("./state.js").Values} Values */

const CELLS = 21; // in a row of the picture that is laid over, or shared
const STEPS = 9;
const FURTHEST = 8; // codes end there
const FORMATS = ["png", "webp", "zip", "npz", "json"];

const choices = find("[data-choices]", HTMLFormElement);
const panel = find("[data-place]", HTMLElement);
const picture = find("[data-place-picture]", HTMLImageElement);
const legend = find("[data-legend]", HTMLElement);
const isAll = described.axes.length === 2;

/** @type {number[]} The code that holds the other axes. */
let held = [];
/** @type {string} What lies over the plane; empty: what lay over it was taken away. */
let covered = "images";

/** The code of a place. @param {Values} values @param {Place} place */
function codeOf(values, place) {
  const at = quantilesOf(place);
  const code = isAll ? [0, 0] : [...held];
  for (const [name, share_] of /** @type {["x" | "y", number][]} */ ([["x", at.x], ["y", at.y]])) {
    const axis = Number(values[name]);
    const { mean, std } = described.axes[axis];
    code[axis] = Math.max(-FURTHEST, Math.min(FURTHEST, mean + std * quantile(share_)));
  }
  return code;
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
  const at = quantilesOf(here);
  const words = `${(100 * at.x).toFixed(1)} % of codes lie to the left, ${(100 * at.y).toFixed(1)} % below.`;
  find("[data-place-words]", HTMLElement).textContent = words;
  picture.alt = `The image at this place. ${words}`;
  find("[data-explore]", HTMLAnchorElement).href = urlOf("explorer", { at: point });
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
  const isImages = values.show === "images";
  const url = isImages ? null : urlOf("manifold", { ...planeOf(values), show: values.show, columns: CELLS, rows: CELLS });
  viewer.cover(url, CELLS);
  if (url) {
    await ask(url, { signal }); // which says why, where the viewer only leaves the picture away
  }
  covered = values.show;
  const classes = covered === "classes" ? described.map?.classes : [];
  for (const { name, colour } of classes ?? []) {
    const mark = make("span", { class: "colour" });
    mark.style.backgroundColor = colour;
    legend.append(make("li", {}, mark, name));
  }
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
