/**
 * Numbers of an image in words: how unusual it is, and which of several is the least usual.
 */

/** @typedef {import("./answers.js").Score} Score */

/**
 * A number with so many digits that people compare, and a minus that is one.
 * @param {number | null | undefined} value
 * @param {number} digits Behind the point.
 */
export function written(value, digits = 1) {
  return value === null || value === undefined ? "not known" : value.toFixed(digits).replace("-", "−");
}

/**
 * A share of held-out images in per cent: whole, but near the ends, where 99 and 99.8 are far apart.
 * @param {number} percentile
 */
function share(percentile) {
  return percentile < 1 || percentile > 99 ? percentile.toFixed(1) : percentile.toFixed(0);
}

/**
 * How unusual an image is among held-out ones.
 * @param {Score} score
 */
export function unusual({ corrected_percentile: percentile }) {
  if (percentile === null) {
    return "This model has no scores of held-out images to compare with.";
  }
  if (percentile >= 100) {
    return "More unusual than every held-out image";
  }
  if (percentile <= 0) {
    return "Less unusual than every held-out image";
  }
  return `More unusual than ${share(percentile)} % of held-out images`;
}

/**
 * By what images are compared: the corrected score, or where a version does not tell it, the likelihood alone.
 * @param {Score} score
 * @returns {number} The larger, the more unusual.
 */
export function measure(score) {
  return score.corrected ?? -score.log_p_x;
}

/**
 * The sentence that names the least usual of several images.
 * @param {{name: string}[]} sorted The least usual first.
 */
export function leastUsual(sorted) {
  return sorted.length > 1 ? `The least usual of these ${sorted.length}: ${sorted[0].name}` : sorted[0].name;
}
