/**
 * Seeds as people write them: numbers of up to 63 bits, and words, which are hashed as app/explore/seeds.py does.
 */

const MOST = 2n ** 63n - 1n;
const LONGEST = 64; // characters of a word
const JOINERS = "\u200c\u200d";
const NUMBER = /^\s*[+-]?(inf(inity)?|nan|(?=\.?\p{Nd})(\p{Nd}(_?\p{Nd})*)?\.?(\p{Nd}(_?\p{Nd})*)?(e[+-]?\p{Nd}(_?\p{Nd})*)?)\s*$/iu;
const OTHER_BASE = /^\s*[+-]?0[xob][0-9a-f_]+\s*$/i;

/**
 * The seed that a text stands for.
 * @param {string} text
 * @returns {Promise<bigint>}
 */
export async function readSeed(text) {
  if (/^-?[0-9]{1,19}$/.test(text)) {
    const seed = BigInt(text);
    if (seed < 0n || seed > MOST) {
      throw new Error(`A seed is a number from 0 to 2^63 - 1, or a word. Received: ${text}`);
    }
    return seed;
  }
  const word = spelled(text);
  const seen = [...word].some((each) => !JOINERS.includes(each));
  const unfit = NUMBER.test(text.replaceAll(",", ".")) || OTHER_BASE.test(text) || /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\ufffd]/u.test(text);
  if (!seen || unfit || text.length > 4 * LONGEST || [...word].length > LONGEST) {
    throw new Error(`A seed is a whole number, or a word of up to ${LONGEST} characters. Received: ${text.slice(0, LONGEST)}`);
  }
  if (!globalThis.crypto?.subtle) {
    throw new Error("A word as a seed needs a page by https. Use a number.");
  }
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(word));
  return new DataView(hash).getBigUint64(0) >> 11n;
}

/**
 * A name from whatever keyboard: NFC, single spaces, nothing unseen.
 * @param {string} text
 */
export function spelled(text) {
  const seen = [...text].filter((each) => JOINERS.includes(each) || !/\p{Cf}/u.test(each)).join("");
  return seen.normalize("NFC").trim().split(/\s+/).join(" ");
}
