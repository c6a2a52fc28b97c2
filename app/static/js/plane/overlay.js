/**
 * Colours that are laid over a plane: of the classes of held-out images, or of how many of these lie there.
 */

import { described } from "../page.js";

/** @typedef {import("./axis.js").PlaneAxis} PlaneAxis */
/** @typedef {import("./held.js").HeldOut} HeldOut */
/** @typedef {{url: string, legend: {name: string, colour: string}[], words: string}} Overlay */
/** @typedef {{axes: PlaneAxis[], numbers: number[]}} Plane Its axes to the right and upwards, and their numbers. */

const CLASS_CELLS = 64; // in a row
const COUNT_CELLS = 16; // in a row: as many as images in one when all of the plane is seen

/** @param {number} cells @param {(column: number, row: number) => string} colourOf */
function drawn(cells, colourOf) {
  const canvas = document.createElement("canvas");
  canvas.width = cells;
  canvas.height = cells;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      context.fillStyle = colourOf(column, row);
      context.fillRect(column, row, 1, 1);
    }
  }
  return canvas.toDataURL();
}

/** The colour of a share of the highest count: from the ground, which changes nothing, to that of the map. @param {number} share */
function shade(share) {
  const { on_white: onWhite, most } = /** @type {import("../page.js").MapDescribed} */ (described.map);
  const ground = onWhite ? 255 : 0;
  const levels = [1, 3, 5].map((i) => ground + (parseInt(most.slice(i, i + 2), 16) - ground) * share);
  return `rgb(${levels.map(Math.round).join(", ")})`;
}

/** @param {HeldOut} held @param {Plane} plane @returns {Overlay} */
function ofClasses(held, { axes: [right, up], numbers: [x, y] }) {
  const classes = described.map?.classes ?? [];
  const middle = (/** @type {number} */ cell) => (cell + 0.5) / CLASS_CELLS;
  const [across, upwards] = [right, up].map((axis) => Array.from({ length: CLASS_CELLS }, (_, k) => axis.value(middle(k))));
  const url = drawn(CLASS_CELLS, (column, row) => {
    const code = { x: across[column], y: upwards[CLASS_CELLS - 1 - row] };
    return classes[held.classNear(code, x, y)].colour;
  });
  return { url, legend: classes, words: "Each place has the colour of the class of the test image whose code is nearest." };
}

/** @param {HeldOut} held @param {Plane} plane @returns {Overlay} */
function ofCounts(held, { axes: [right, up], numbers: [x, y] }) {
  const counts = held.counts(COUNT_CELLS, (k) => ({ x: right.part(held.at(k, x)), y: 1 - up.part(held.at(k, y)) }));
  const most = Math.max(1, ...counts);
  const colour = (/** @type {number} */ count) => shade(Math.sqrt(count / most));
  const url = drawn(COUNT_CELLS, (column, row) => colour(counts[row * COUNT_CELLS + column]));
  const steps = [...new Set([0, 1, Math.round(most / 4), most])].sort((a, b) => a - b);
  const inside = counts.reduce((sum, count) => sum + count, 0).toLocaleString("en");
  return {
    url,
    legend: steps.map((count) => ({ name: `${count} in a cell`, colour: colour(count) })),
    words: `${COUNT_CELLS} x ${COUNT_CELLS} cells; the codes of ${inside} of ${held.count.toLocaleString("en")} test images lie in them.`,
  };
}

/** @param {string} show @param {HeldOut} held @param {Plane} plane */
export function overlayOf(show, held, plane) {
  return show === "classes" ? ofClasses(held, plane) : ofCounts(held, plane);
}
