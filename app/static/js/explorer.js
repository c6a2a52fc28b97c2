/**
 * The explorer: a slider for each latent axis, the picture that follows, ways between points, and directions.
 *
 * What is shown is a point (`at`) moved along a direction (`strength` of `plus` less `minus`). All of it is in the
 * page's address; a slider that moves shows its picture at once, and changes the address when it comes to rest.
 */

import { announce, showError } from "./announce.js";
import { UNITS } from "./explorer/axes.js";
import { codeAt, keeping, moved, pointOf } from "./explorer/codes.js";
import { Controls } from "./explorer/controls.js";
import { Heaps, directionOf, encoded } from "./explorer/heaps.js";
import { List } from "./explorer/list.js";
import { Picture, addressed } from "./explorer/picture.js";
import { Strips } from "./explorer/strips.js";
import { Undo } from "./explorer/undo.js";
import { Way } from "./explorer/way.js";
import { onKey } from "./keys.js";
import { Latest } from "./latest.js";
import { described, find } from "./page.js";
import { share } from "./share.js";
import { State } from "./state.js";

/** @typedef {import("./state.js").Values} Values */

const REST = 200; // milliseconds: arrow keys that are held down are one step of the history
const FORMATS = ["png", "webp", "npy", "npz", "json", "csv"];
const DEFAULTS = {
  at: "seed:42/0", seed: "42/0", start: "", unit: "value", lock: "", all: "", render: "mean", noise: "1",
  from: "seed:42/0", to: "seed:42/1", path: described.paths[0],
  steps: "21", t: "0", plus: "", minus: "", strength: "0",
};
/** What undo does not touch: how things are shown, not what. */
const PASSING = ["unit", "all", "t"];

/** What is shown: by `at` and `strength`, or by a slider that still moves. */
const now = { point: "", code: /** @type {number[]} */ ([]), base: /** @type {number[]} */ ([]) };
let resting = 0;
/** @type {Values | null} */
let pending = null; // what the address will say when the slider rests

const restoring = new Latest();
/** What takes the shown point's place once its code is known. A slider that moves, and another point, come before it. */
const going = new Latest();
let restored = ""; // the address' point
const undo = new Undo();
const picture = new Picture();
const list = new List({ move, rest, lock, reset: resetAxis });
const strips = new Strips((sheet) => list.showStrips(sheet));
const state = new State(DEFAULTS, (values) => restore(values).catch(showError));
const controls = new Controls({ goTo, change, reset, step: stepBack, upload });
const way = new Way(change);
const heaps = new Heaps(change, () => now.point);

function locked() {
  return new Set(state.values.lock.split(",").filter(Boolean).map(Number));
}

/** The point that sliders were last moved from: what reset goes back to. */
function start({ at, start: from, seed } = state.values) {
  return at.startsWith("z:") ? from || `seed:${seed}` : at;
}

/**
 * Change the address, and with it what is shown.
 * @param {Values} changes
 * @param {{step?: boolean}} how
 */
function change(changes, how = {}) {
  settle();
  state.set(changes, how);
}

/**
 * Show what the address says.
 * @param {Values} values
 */
async function restore(values) {
  clearTimeout(resting);
  pending = null;
  if (values.at !== restored) {
    going.stop();
    restored = values.at;
  }
  showChoices(values);
  const [base, direction] = await restoring.ask(() => Promise.all([codeAt(values.at), directionOf(values)]));
  const strength = direction ? Number(values.strength) || 0 : 0;
  now.base = base;
  now.code = strength && direction ? moved(base, direction.code, strength, locked()) : base;
  now.point = strength ? pointOf(now.code) : values.at;
  heaps.show(values, direction);
  showError(null);
  display();
  settled();
}

/** @param {Values} values */
function showChoices(values) {
  undo.note(JSON.stringify(Object.entries(values).filter(([name]) => !PASSING.includes(name))));
  list.setUnit(values.unit);
  list.unfold(values.all === "1");
  list.showLocks(locked());
  controls.show(values, start(values), undo);
  way.show(values);
}

/** Show the picture and the sliders of the present code. */
function display() {
  const { render, noise } = state.values;
  picture.show({ point: now.point, render: render === "draw" ? "draw" : "mean", noise });
  list.show(now.code);
}

/** What need not follow a slider that moves: strips, links to take along. */
function settled() {
  const { render, noise } = state.values;
  const { path, parameters } = addressed({ point: now.point, render: render === "draw" ? "draw" : "mean", noise });
  share(path, { ...parameters, zoom: 8 }, FORMATS);
  strips.ask(now.point);
}

/**
 * A slider moves.
 * @param {number} axis
 * @param {number} value
 */
function move(axis, value) {
  const code = now.code.map((before, each) => (each === axis ? value : before));
  follow(code, { at: pointOf(code), strength: "0" });
  now.base = now.code;
  heaps.showStrength(0);
  announce(`Axis ${axis}: ${UNITS.value.words(value)}`);
}

/**
 * Show a code at once; the address follows when things come to rest.
 * @param {number[]} code
 * @param {Values} changes What the address will say.
 */
function follow(code, changes) {
  clearTimeout(resting);
  restoring.stop();
  going.stop();
  const from = start();
  /** @type {Values} */
  const origin = from.startsWith("seed:") ? { start: "", seed: from.slice(5) } : { start: from };
  pending = changes.at ? { ...origin, ...changes } : changes;
  now.code = code;
  now.point = pointOf(code);
  strips.stop();
  display();
}

/** The slider was let go. */
function rest() {
  clearTimeout(resting);
  resting = window.setTimeout(settle, REST);
}

/** Let the address say what is shown. */
function settle() {
  clearTimeout(resting);
  if (pending) {
    const changes = pending;
    pending = null;
    state.set(changes);
  }
}

/** @param {number} axis */
function lock(axis) {
  settle();
  const axes = locked();
  if (!axes.delete(axis)) {
    axes.add(axis);
  }
  // A direction has moved the axes that were free: what is locked from now on stays where it is.
  /** @type {Values} */
  const flat = Number(state.values.strength) ? { at: now.point, strength: "0", start: start() } : {};
  change({ lock: [...axes].sort((one, other) => one - other).join(","), ...flat });
}

/**
 * Go to a point, with the axes that are locked as they are.
 * @param {string} point
 */
async function goTo(point) {
  settle();
  try {
    const code = await going.ask(() => codeAt(point));
    const at = locked().size ? pointOf(keeping(now.code, code, locked())) : point;
    /** @type {Values} */
    const seed = point.startsWith("seed:") ? { seed: point.slice(5) } : {};
    change({ at, start: at === point || point.startsWith("seed:") ? "" : point, strength: "0", ...seed });
  } catch (error) {
    showError(error);
  }
}

function reset() {
  goTo(start());
}

/** @param {number} axis */
async function resetAxis(axis) {
  try {
    const code = await going.ask(() => codeAt(start()));
    move(axis, code[axis]);
    settle();
  } catch (error) {
    showError(error);
  }
}

/** @param {-1 | 1} by */
function stepBack(by) {
  settle();
  const found = undo.go(by);
  if (found) {
    state.set(Object.fromEntries(JSON.parse(found)));
  }
}

/** @param {File[]} files */
async function upload(files) {
  try {
    const [point] = await going.ask(() => encoded(files));
    change({ at: point, start: point, strength: "0" });
  } catch (error) {
    showError(error);
  }
}

/** The slider of the direction moves. @param {number} strength */
async function moveAlong(strength) {
  const direction = await going.ask(() => directionOf(state.values));
  if (direction) {
    follow(moved(now.base, direction.code, strength, locked()), { strength: String(strength) });
    heaps.showStrength(strength);
  }
}

heaps.strength.addEventListener("input", () => moveAlong(heaps.strength.valueAsNumber).catch(showError));
heaps.strength.addEventListener("change", rest);
find("[data-from-here]", HTMLButtonElement).addEventListener("click", () => {
  if (way.point) {
    codeAt(way.point).then(pointOf).then(goTo, showError);
  }
});
for (const name of /** @type {const} */ (["from", "to"])) {
  find(`[data-set="${name}"]`, HTMLButtonElement).addEventListener("click", () => change({ [name]: now.point, t: name === "from" ? "0" : "1" }));
}
document.addEventListener("click", (event) => {
  const asked = event.target instanceof Element ? event.target.closest("[data-focus-axis]") : null;
  if (asked instanceof HTMLElement) {
    showAxis(Number(asked.dataset.focusAxis));
  }
});
list.more.addEventListener("click", () => change({ all: state.values.all ? "" : "1" }, { step: false }));
addEventListener("pagehide", settle);

/** @param {number} axis */
function showAxis(axis) {
  if (!list.rows.has(axis)) {
    return;
  }
  if (list.row(axis).element.hidden) {
    change({ all: "1" }, { step: false });
  }
  list.focus(axis);
}

controls.onAxis(showAxis);
onKey("r", () => controls.randomise());
onKey("0", reset);
onKey("l", () => {
  const axis = list.focused();
  if (axis !== null) {
    lock(axis);
  }
});
onKey("[", () => list.step(-1));
onKey("]", () => list.step(1));
onKey(" ", () => way.toggle());
onKey("ctrl+z", () => stepBack(-1));
onKey("ctrl+y", () => stepBack(1));
onKey("ctrl+shift+z", () => stepBack(1));

const asked = new URLSearchParams(location.search);
if (asked.has("seed") && !asked.has("at")) {
  const given = asked.get("seed") || DEFAULTS.seed;
  const seed = given.includes("/") ? given : `${given}/0`; // as a link to the gallery has it: the first of its images
  state.values = { ...state.values, at: `seed:${seed}`, seed };
  history.replaceState(null, "", state.address());
}
if (asked.has("to") && !asked.has("from")) {
  state.values = { ...state.values, from: state.values.at }; // a link from one point to another
  history.replaceState(null, "", state.address());
}
restore(state.values).catch(showError);
for (const part of document.querySelectorAll("[data-with-script]")) {
  /** @type {HTMLElement} */ (part).hidden = false;
}
const arrival = performance.getEntriesByType("navigation")[0];
if (asked.has("to") && arrival instanceof PerformanceNavigationTiming && arrival.type === "navigate") {
  way.panel.scrollIntoView({ block: "center" });
}
