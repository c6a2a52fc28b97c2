/**
 * Round numbers on a scale, as many as there is space for.
 */

/**
 * The multiples of 1, 2 or 5 times a power of ten within a range, so far apart that it has no more steps than are wanted.
 * @param {number} low
 * @param {number} high
 * @param {number} wanted
 */
export function ticksOf(low, high, wanted) {
  const least = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: count }, (_, k) => Number(((first + k) * step).toFixed(digits)) + 0);
}
