/**
 * Latent axes: their order, and the units that a place on one is told in.
 */

/** @typedef {import("../page.js").Axis} Axis */

/** An axis that knows less of an image changes nothing that can be seen; DEAD_NATS in app/explore/axes.py. */
const INACTIVE_NATS = 0.05;

/** How far from zero a code may lie on any axis; MAX_CODE in app/explore/grids.py. */
export const FURTHEST = 8;

/** @typedef {"value" | "deviations" | "quantile"} UnitName */

/**
 * @typedef {object} Unit What a slider is linear in.
 * @property {string} name For people.
 * @property {number} step Of the slider, and of its arrow keys.
 * @property {(axis: Axis, value: number) => number} of A value in this unit.
 * @property {(axis: Axis, told: number) => number} value Back again.
 * @property {(told: number) => string} words For those who do not see the slider.
 */

/**
 * The axes by what they know of an image, most first; and apart from them those that know nothing.
 * @param {Axis[]} axes
 */
export function ordered(axes) {
  const all = axes.map((_, number) => number).sort((one, other) => axes[other].kl - axes[one].kl);
  return {
    active: all.filter((number) => axes[number].kl >= INACTIVE_NATS),
    inactive: all.filter((number) => axes[number].kl < INACTIVE_NATS),
  };
}

/**
 * Percent of codes that lie below a value -> the value, at the points between which quantiles are straight. Beyond the
 * outermost quantile that is known, they go straight to the end of the space, so that every value has a percentage.
 * @param {Axis} axis
 * @returns {[number, number][]}
 */
function knots(axis) {
  const known = Object.entries(axis.quantiles).map(
    ([probability, value]) => /** @type {[number, number]} */ ([Number(probability) * 100, value]),
  );
  known.sort(([one], [other]) => one - other);
  return [[0, -FURTHEST], ...known, [100, FURTHEST]];
}

/**
 * @param {[number, number][]} points Rising in both.
 * @param {0 | 1} from Which of the two is given.
 * @param {number} given
 */
function between(points, from, given) {
  const to = 1 - from;
  const last = points.findIndex((point, index) => index > 0 && (given <= point[from] || index === points.length - 1));
  const [low, high] = [points[last - 1], points[last]];
  const along = high[from] > low[from] ? (given - low[from]) / (high[from] - low[from]) : 0;
  return low[to] + along * (high[to] - low[to]);
}

/** @type {Record<UnitName, Unit>} */
export const UNITS = {
  value: { name: "value", step: 0.05, of: (_, value) => value, value: (_, told) => told, words: (told) => told.toFixed(2) },
  deviations: {
    name: "standard deviations",
    step: 0.05,
    of: (axis, value) => (value - axis.mean) / (axis.std || 1), // of an axis that never differs: its distance
    value: (axis, told) => axis.mean + told * (axis.std || 1),
    words: (told) => `${Math.abs(told).toFixed(2)} standard deviations ${told < 0 ? "below" : "above"} the mean`,
  },
  quantile: {
    name: "quantile in percent",
    step: 1,
    of: (axis, value) => between(knots(axis), 1, value),
    value: (axis, told) => between(knots(axis), 0, told),
    words: (told) => `${told.toFixed(0)} percent of codes lie below`,
  },
};

/**
 * The ends of a slider: from the 1 to the 99 % quantile of the data, and as much further as the value lies. A version
 * need not have these; the 2.5 and 97.5 % quantiles are those that every one has.
 * @param {Axis} axis
 * @param {Unit} unit
 * @param {number} value
 */
export function rangeOf(axis, unit, value) {
  const low = Math.min(axis.quantiles["0.01"] ?? axis.quantiles["0.025"], value);
  const high = Math.max(axis.quantiles["0.99"] ?? axis.quantiles["0.975"], value);
  return {
    low: rounded(Math.floor(unit.of(axis, low) / unit.step + 1e-6) * unit.step),
    high: rounded(Math.ceil(unit.of(axis, high) / unit.step - 1e-6) * unit.step),
  };
}

/**
 * Where the pictures of a strip lie, as /axes draws them: from the 2.5 to the 97.5 % quantile, in equal steps.
 * @param {Axis} axis
 * @param {number} steps
 */
export function stripValues(axis, steps) {
  const [low, high] = [axis.quantiles["0.025"], axis.quantiles["0.975"]];
  return Array.from({ length: steps }, (_, step) => low + ((high - low) * step) / (steps - 1));
}

/**
 * A number with as many digits as fields show.
 * @param {number} number
 */
export function rounded(number) {
  return Number(number.toFixed(3)) + 0;
}
