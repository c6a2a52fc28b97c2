/**
 * What the service says of images: reconstructions and scores.
 *
 * Examples have permanent addresses. Samples are sent as the data has them; own images inverted as is chosen. Those that
 * are sent alike are reconstructed in one request. Each is scored in one of its own: it is told as soon as it is known,
 * and the map of its surprise has a scale of its own, which the least usual image would make black for all others.
 */

import { ask, askJson, Refusal } from "../ask.js";
import { urlOf } from "../page.js";

const AT_ONCE = 2; // scores under way: a service has other clients

/** @typedef {{id: string, name: string, kind: "example" | "sample" | "own", blob: Blob | null, number: number}} Item */
/** @typedef {{point: string, mse: number, psnr: number | null, ssim: number, seen: string, decoded: string, error: string, notes: string[]}} Reconstruction */
/** @typedef {{low: number, high: number, picture: string}} Surprise */
/**
 * @typedef {object} Score As `/score.json` has it; see app/explore/scores.py.
 * @property {number | null} corrected
 * @property {number | null} corrected_percentile
 * @property {number} log_p_x
 * @property {number | null} bits_per_dim
 * @property {number} k
 * @property {number | null} standard_error
 * @property {number} effective_sample_size
 * @property {number | null} percentile
 * @property {number} elbo
 * @property {number} reconstruction
 * @property {number} kl
 * @property {number} complexity
 * @property {Surprise} surprise
 */
/** @typedef {{invert: string, k: string, signal: AbortSignal}} How */
/**
 * @typedef {object} Told What is told as it comes.
 * @property {(item: Item, found: Reconstruction) => void} reconstructed
 * @property {(item: Item, found: Score) => void} scored
 * @property {(item: Item, words: string) => void} failed
 */

/**
 * The file of a request that the service names as unusable, and why; null: it is not about one file.
 * @param {unknown} error
 */
function faultOf(error) {
  const fault = error instanceof Refusal ? error.problem.errors?.[0] : undefined;
  const named = /^file(?:\[(\d+)\])?$/.exec(fault?.parameter ?? "");
  if (!named || !fault) {
    return null;
  }
  return { index: Number(named[1] ?? 0), words: `Expected: ${fault.expected}. Received: ${fault.received}. ${fault.remedy}` };
}

/**
 * Notes of a request by its files' numbers.
 * @param {string | null} header As `X-Notes`: `file[0]: inverted; file[1]: ...`.
 * @returns {Map<number, string[]>}
 */
export function notesOf(header) {
  /** @type {Map<number, string[]>} */
  const notes = new Map();
  for (const each of (header ?? "").split(/; (?=file(?:\[\d+\])?: )/)) {
    const found = /^file(?:\[(\d+)\])?: (.*)$/.exec(each);
    if (found) {
      const number = Number(found[1] ?? 0);
      notes.set(number, [...(notes.get(number) ?? []), found[2]]);
    }
  }
  return notes;
}

/**
 * Send images, without those that cannot be used, of which it is told why.
 * @param {string} path
 * @param {Record<string, string>} parameters
 * @param {Item[]} items
 * @param {How} how
 * @param {Told} told
 * @returns {Promise<{sent: Item[], answer: Response} | null>} null: none can be used.
 */
async function send(path, parameters, items, how, told) {
  let sent = items;
  while (sent.length) {
    const body = new FormData();
    for (const item of sent) {
      body.append("file", item.blob ?? new Blob(), item.name);
    }
    try {
      const answer = await ask(urlOf(path, parameters), { method: "POST", body, signal: how.signal });
      return { sent, answer };
    } catch (error) {
      const fault = faultOf(error);
      if (!fault || !sent[fault.index]) {
        throw error;
      }
      told.failed(sent[fault.index], fault.words);
      sent = sent.filter((_, i) => i !== fault.index);
    }
  }
  return null;
}

/**
 * @param {any} answer Of `/reconstruct.json?show=error`.
 * @param {number} index
 * @param {string[]} notes
 * @returns {Reconstruction}
 */
function reconstructionOf(answer, index, notes) {
  const count = answer.reconstructions.length;
  const [seen, decoded, error] = [0, 1, 2].map((row) => answer.images[row * count + index].picture);
  return { ...answer.reconstructions[index], seen, decoded, error, notes };
}

/** @param {Item[]} items @param {How} how @param {Told} told */
async function askOfExamples(items, { k, signal }, told) {
  const reconstructions = await askJson(urlOf("reconstruct.json", { show: "error" }), { signal });
  items.forEach((item) => told.reconstructed(item, reconstructionOf(reconstructions, item.number, [])));
  const scores = await askJson(urlOf("score.json", { k }), { signal });
  items.forEach((item) => told.scored(item, scores.images[item.number]));
}

/** @param {Item[]} items @param {How} how @param {Told} told */
async function askOfSent(items, how, told) {
  const { invert, k } = how;
  const first = await send("reconstruct.json", { show: "error", invert }, items, how, told);
  if (!first) {
    return;
  }
  const notes = notesOf(first.answer.headers.get("X-Notes"));
  const reconstructions = await first.answer.json();
  first.sent.forEach((item, i) => {
    const own = item.kind === "own" ? notes.get(i) ?? [] : []; // an odd sample is odd on purpose
    told.reconstructed(item, reconstructionOf(reconstructions, i, own));
  });
  const waiting = [...first.sent];
  const scoreAll = async () => {
    for (let item = waiting.shift(); item; item = waiting.shift()) {
      const scored = await send("score.json", { invert, k }, [item], how, told);
      if (scored) {
        told.scored(item, (await scored.answer.json()).images[0]);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, scoreAll));
}

/**
 * Ask of all images; what is told of one comes as soon as it is known.
 * @param {Item[]} items
 * @param {How} how
 * @param {Told} told
 */
export async function askOfAll(items, how, told) {
  const of = (/** @type {Item["kind"]} */ kind) => items.filter((item) => item.kind === kind);
  const asked = [];
  if (of("example").length) {
    asked.push(askOfExamples(of("example"), how, told));
  }
  if (of("sample").length) {
    asked.push(askOfSent(of("sample"), { ...how, invert: "no" }, told));
  }
  if (of("own").length) {
    asked.push(askOfSent(of("own"), how, told));
  }
  const ends = await Promise.allSettled(asked);
  const failed = ends.find((end) => end.status === "rejected");
  if (failed?.status === "rejected") {
    throw failed.reason;
  }
}
