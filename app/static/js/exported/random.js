/**
 * Seeded numbers, the same as the service's; app/latent.py says what they are.
 *
 * The generator is Philox 4x64 with 10 rounds (Salmon et al. 2011), in whole numbers of 64 bits; the transform is
 * that of Box & Muller (1958), in doubles, and every normal number is rounded once, to 32 bits.
 */

export const STREAM_LATENTS = 0n;
export const STREAM_CHOICES = 2n;

const WORDS = 4; // of 64 bits, that one step of the counter gives
const ROUNDS = 10;
const MASK = 2n ** 64n - 1n;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const WEYL = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];

/**
 * @param {bigint} count Of the counter: below 2^128.
 * @param {[bigint, bigint]} key
 * @returns {bigint[]} Four words of 64 bits.
 */
function block(count, key) {
  let [a, b, c, d] = [count & MASK, count >> 64n, 0n, 0n];
  let [k0, k1] = key;
  for (let round = 0; round < ROUNDS; round++) {
    const first = MULTIPLIERS[0] * a;
    const second = MULTIPLIERS[1] * c;
    [a, b, c, d] = [(second >> 64n) ^ b ^ k0, second & MASK, (first >> 64n) ^ d ^ k1, first & MASK];
    [k0, k1] = [(k0 + WEYL[0]) & MASK, (k1 + WEYL[1]) & MASK];
  }
  return [a, b, c, d];
}

/**
 * Row `k` of a table of uniform numbers in (0, 1).
 * @param {bigint} seed 0 to 2^63 - 1.
 * @param {bigint} stream
 * @param {number} k
 * @param {number} width Numbers in a row.
 */
export function uniform(seed, stream, k, width) {
  const blocks = Math.ceil(width / WORDS);
  const first = BigInt(k) * BigInt(blocks);
  const words = [];
  for (let step = 1n; step <= BigInt(blocks); step++) {
    words.push(...block(first + step, [seed, stream])); // the generator counts before it gives
  }
  // The upper 53 bits, centred in their cells: never 0, whose logarithm is infinite, and never 1.
  return words.slice(0, width).map((word) => (Number(word >> 11n) + 0.5) * 2 ** -53);
}

/**
 * Code `k` of a seed under N(0, I).
 * @param {bigint} seed
 * @param {number} k
 * @param {number} dimensions
 */
export function standardNormal(seed, k, dimensions) {
  const pairs = Math.ceil(dimensions / 2);
  const numbers = uniform(seed, STREAM_LATENTS, k, 2 * pairs);
  const code = new Float32Array(2 * pairs);
  for (let pair = 0; pair < pairs; pair++) {
    const radius = Math.sqrt(Math.log(numbers[pair]) * -2);
    const angle = 2 * Math.PI * numbers[pairs + pair];
    code[pair] = radius * Math.cos(angle);
    code[pairs + pair] = radius * Math.sin(angle);
  }
  return code.slice(0, dimensions);
}
