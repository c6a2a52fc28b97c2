/**
 * The histogram of held-out images' corrected scores, made of their quantiles, with images marked in it.
 */

import { make } from "../page.js";
import { ticksOf } from "../ticks.js";
import { written } from "./words.js";

/** @typedef {{from: number, to: number, share: number}} Bin share: of held-out images, in per cent. */
/** @typedef {{score: number, label: string, name: string}} Mark */

const BINS = 30;
const WIDTH = 300;
const BASE = 64; // of the bars; below it stand scores, then the labels of marks, then the name of the scale
const SCORES = BASE + 14;
const LABELS = BASE + 30;
const TICKS = 4; // about as many scores as there is space for
const NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * The share of held-out images with a smaller score, in per cent.
 * @param {number} value
 * @param {number[]} quantiles At equal steps of probability, from the least to the greatest score.
 */
export function percentileOf(value, quantiles) {
  const last = quantiles.length - 1;
  if (value <= quantiles[0]) {
    return 0;
  }
  if (value >= quantiles[last]) {
    return 100;
  }
  const above = quantiles.findIndex((quantile) => quantile > value);
  const [low, high] = [quantiles[above - 1], quantiles[above]];
  return (100 * (above - 1 + (value - low) / (high - low))) / last;
}

/**
 * Bins of equal width between the first and the last quantile inside: a few images far away would make all others one bar.
 * @param {number[]} quantiles
 * @returns {Bin[]}
 */
export function binsOf(quantiles) {
  const [low, high] = [quantiles[1], quantiles[quantiles.length - 2]];
  const edge = (/** @type {number} */ i) => low + ((high - low) * i) / BINS;
  return Array.from({ length: BINS }, (_, i) => ({
    from: edge(i),
    to: edge(i + 1),
    share: percentileOf(edge(i + 1), quantiles) - percentileOf(edge(i), quantiles),
  }));
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {...Node} children
 */
function svg(name, attributes, ...children) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, String(value));
  }
  made.append(...children);
  return made;
}

/** @param {Mark} mark @param {Bin[]} bins @param {number} row Of labels, so that those of near marks do not cover each other. */
function drawMark({ score, label }, bins, row) {
  const [low, high] = [bins[0].from, bins[bins.length - 1].to];
  const at = Math.min(Math.max((score - low) / (high - low), 0), 1);
  const x = 8 + at * (WIDTH - 16);
  const beyond = score > high ? " →" : score < low ? "← " : "";
  const words = beyond.startsWith("←") ? beyond + label : label + beyond;
  const anchor = at > 0.9 ? "end" : at < 0.1 ? "start" : "middle";
  const text = svg("text", { x: anchor === "end" ? x + 6 : anchor === "start" ? x - 6 : x, y: LABELS + 14 * row, "text-anchor": anchor });
  text.textContent = words;
  return svg("g", { class: "mark" }, svg("line", { x1: x, x2: x, y1: 2, y2: BASE }), text);
}

/**
 * In which row of labels each mark's stands.
 * @param {Mark[]} marks
 * @param {number} span Of scores that the histogram is wide.
 */
function rowsOf(marks, span) {
  /** @type {number[]} */
  const ends = []; // the score at which each row is free again
  const rows = new Map();
  for (const mark of [...marks].sort((a, b) => a.score - b.score)) {
    const free = ends.findIndex((end) => mark.score > end);
    const row = free < 0 ? ends.length : free;
    ends[row] = mark.score + span * 0.03 * (mark.label.length + 1);
    rows.set(mark, row);
  }
  return { rows, count: Math.max(1, ends.length) };
}

/** The scores below the bars: round numbers. @param {Bin[]} bins */
function scale(bins) {
  const [low, high] = [bins[0].from, bins[bins.length - 1].to];
  return ticksOf(low, high, TICKS).map((score) => {
    const x = 8 + ((score - low) / (high - low)) * (WIDTH - 16);
    const text = svg("text", { x, y: SCORES, "text-anchor": "middle" });
    text.textContent = written(score, 0);
    return svg("g", { class: "score" }, svg("line", { x1: x, x2: x, y1: BASE, y2: BASE + 4 }), text);
  });
}

/** @param {Mark[]} marks @param {number[]} quantiles */
function description(marks, quantiles) {
  const where = marks.map(({ name, score }) => `${name} at ${written(score, 0)}, above ${written(percentileOf(score, quantiles), 0)} %`);
  const [low, middle, high] = [1, (quantiles.length - 1) / 2, quantiles.length - 2].map((i) => written(quantiles[Math.floor(i)], 0));
  return `Histogram of held-out images' corrected scores, most from ${low} to ${high} nats, half of them below ${middle}. ${where.join("; ")}.`;
}

/**
 * Draw the histogram.
 * @param {number[]} quantiles
 * @param {Mark[]} marks
 */
export function drawHistogram(quantiles, marks) {
  const bins = binsOf(quantiles);
  const span = bins[BINS - 1].to - bins[0].from;
  const inside = marks.map((mark) => ({ ...mark, score: Math.min(Math.max(mark.score, bins[0].from), bins[BINS - 1].to) }));
  const { rows, count } = rowsOf(inside, span);
  const most = Math.max(...bins.map(({ share }) => share));
  const wide = (WIDTH - 16) / BINS;
  const bars = bins.map(({ share }, i) => {
    const height = (share / most) * (BASE - 8);
    return svg("rect", { x: 8 + i * wide, y: BASE - height, width: wide - 0.8, height, class: "bar" });
  });
  const height = LABELS + 14 * count + 6;
  const name = svg("text", { class: "name", x: WIDTH / 2, y: height - 4, "text-anchor": "middle" });
  name.textContent = "corrected score, nats";
  const drawn = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "histogram", role: "img", "aria-label": description(marks, quantiles) });
  drawn.append(...bars, svg("line", { x1: 4, x2: WIDTH - 4, y1: BASE, y2: BASE, class: "base" }), ...scale(bins), name);
  drawn.append(...marks.map((mark, i) => drawMark(mark, bins, rows.get(inside[i]))));
  return drawn;
}

/**
 * The same as a table.
 * @param {number[]} quantiles
 */
export function tableOf(quantiles) {
  const head = make("tr", {}, make("th", { scope: "col", text: "corrected score, nats" }), make("th", { scope: "col", text: "of held-out images" }));
  const rows = binsOf(quantiles).map(({ from, to, share }) =>
    make("tr", {}, make("td", { text: `${written(from, 0)} to ${written(to, 0)}` }), make("td", { text: `${written(share, 1)} %` })),
  );
  const outside = written(100 / (quantiles.length - 1), 1);
  const caption = make("caption", { text: `Below the first and above the last line: ${outside} % each.` });
  return make("table", {}, caption, make("thead", {}, head), make("tbody", {}, ...rows));
}
