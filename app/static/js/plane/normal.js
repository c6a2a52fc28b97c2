/**
 * The standard normal distribution.
 */

/** Its density at x. @param {number} x */
function density(x) {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/**
 * The probability below x, by the series of Marsaglia (2004, "Evaluating the normal distribution").
 * @param {number} x
 */
export function probability(x) {
  let term = x;
  let sum = x;
  for (let n = 3; Math.abs(term) > 1e-17; n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return 0.5 + sum * density(x);
}

/**
 * Where the probability below is p: Newton's method, whose steps never leave the range of codes.
 * @param {number} p From 0.0001 to 0.9999.
 */
export function quantile(p) {
  let x = 0;
  for (let step = 0; step < 50; step += 1) {
    const change = (probability(x) - p) / density(x);
    x -= Math.max(-1, Math.min(1, change));
    if (Math.abs(change) < 1e-12) {
      break;
    }
  }
  return x;
}
