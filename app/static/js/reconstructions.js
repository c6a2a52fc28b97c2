/**
 * Reconstruct and score: several images at once, each decoded again, sorted by how unusual they are.
 */

import { announce, showError } from "./announce.js";
import { askJson } from "./ask.js";
import { showDraws } from "./draws.js";
import { isSample, keepForOtherModels, nameOf, sampleOf, takeOwn, whyNot } from "./images.js";
import { keep, kept } from "./images/kept.js";
import { isAborted, Latest } from "./latest.js";
import { described, find, root } from "./page.js";
import { askOfAll } from "./reconstructions/answers.js";
import { Card } from "./reconstructions/cards.js";
import { nearestOf } from "./reconstructions/nearest.js";
import { showSummary } from "./reconstructions/summary.js";
import { measure } from "./reconstructions/words.js";
import { once, remembered } from "./remembered.js";
import { share } from "./share.js";
import { State } from "./state.js";

/** @typedef {import("./reconstructions/answers.js").Item} Item */
/** @typedef {import("./images/kept.js").OwnImage & {id: string, url: string}} Own */

const VIEW = "reconstructions";
const FORMATS = ["png", "webp", "zip", "npz", "json"];

const list = find("[data-cards]", HTMLElement);
const progress = find("[data-progress]", HTMLElement);
const invertField = find("#invert", HTMLSelectElement);
const drawsField = find("#k", HTMLSelectElement);

const state = new State({ samples: "", invert: "auto", k: String(described.scores?.k ?? 128) }, show);
/** @type {Own[]} */
let own = [];
let numbered = 0;
/** @type {string[]} */
let refused = []; // why files that were given last are not among the images
const latest = new Latest();
const sample = remembered(sampleOf);

/** Quantiles of held-out images' corrected scores; null: the model has none. */
const quantiles = once(async () => {
  const manifest = described.scores && (await askJson(new URL(`${described.page}.json`, root).href));
  return /** @type {number[] | null} */ (manifest?.scores.corrected ?? null);
});

/** Tokens that the address has, without those that this model does not know. */
function tokens() {
  return state.values.samples.split(";").filter(isSample);
}

/** What is shown: own images, samples, and if there are none the model's examples. @returns {Promise<Item[]>} */
async function items() {
  const chosen = tokens();
  const all = Array.from({ length: described.examples }, (_, i) => `example:${i}`);
  const asked = chosen.length || own.length ? chosen : all;
  const of = asked.map(async (token) => {
    const number = Number(token.split(":")[1]);
    if (token.startsWith("example:")) {
      return /** @type {Item} */ ({ id: token, name: nameOf(token), kind: "example", blob: null, number });
    }
    return /** @type {Item} */ ({ id: token, kind: "sample", number, ...(await sample(token)) });
  });
  const mine = own.map(({ id, name, blob }) => /** @type {Item} */ ({ id, name, kind: "own", blob, number: 0 }));
  return [...mine, ...(await Promise.all(of))];
}

/** @param {Item} item */
function remove(item) {
  if (item.kind === "own") {
    setOwn(own.filter(({ id }) => id !== item.id));
  } else {
    state.set({ samples: tokens().filter((token) => token !== item.id).join(";") });
  }
}

/** @param {Item} item */
function cardOf(item) {
  const removable = own.length > 0 || tokens().length > 0;
  const invert = item.kind === "own" ? state.values.invert : "no";
  const more = nearestOf(item, invert, async () => (await sample(item.id)).blob);
  const original = own.find(({ id }) => id === item.id)?.url ?? null;
  return new Card(item, { original, remove: removable ? () => remove(item) : null, more });
}

/**
 * Sort the cards, the least usual first, and say which that is. Files that cannot be used come before all.
 * @param {Card[]} cards @param {number[] | null} found
 */
function sort(cards, found) {
  const ranked = cards.flatMap((card) => (card.score ? [{ card, name: card.item.name, score: card.score }] : []));
  ranked.sort((a, b) => measure(b.score) - measure(a.score));
  ranked.forEach(({ card }, i) => card.rank(i + 1, ranked.length));
  const rest = cards.filter((card) => !card.score);
  list.append(...rest.map((card) => card.element), ...ranked.map(({ card }) => card.element));
  showSummary(ranked, found);
}

/** @param {string} words Empty: nothing is under way. @param {number} share That is done, 0 to 1. */
function say(words, share = 0) {
  progress.hidden = !words;
  find("progress", HTMLProgressElement, progress).value = share;
  find("[data-progress-words]", HTMLElement).textContent = words;
  list.setAttribute("aria-busy", String(Boolean(words)));
  if (words) {
    announce(words);
  }
}

/** @param {AbortSignal} signal */
async function showItems(signal) {
  const unusable = [...refused];
  showSummary([], null); // what it said was of other images
  say("Getting the images …");
  const [shown, found] = await Promise.all([items(), quantiles()]);
  signal.throwIfAborted();
  const cards = new Map(shown.map((item) => [item.id, cardOf(item)]));
  list.replaceChildren(...[...cards.values()].map(({ element }) => element));
  const { k, invert } = state.values;
  const count = () => {
    const scored = [...cards.values()].filter((card) => card.score).length;
    say(`${scored} of ${shown.length} images scored, by ${k} draws each …`, scored / shown.length);
  };
  count();
  const card = (/** @type {Item} */ item) => /** @type {Card} */ (cards.get(item.id));
  await askOfAll(shown, { invert, k, signal }, {
    reconstructed: (item, answer) => card(item).reconstructed(answer),
    scored: (item, score) => {
      card(item).scored(score, found);
      count();
    },
    failed: (item, words) => {
      card(item).fail(words);
      unusable.push(`${item.name} cannot be used. ${words}`);
      showError(unusable.join(" "));
      document.querySelector(".error-card")?.scrollIntoView({ block: "nearest" });
    },
  });
  signal.throwIfAborted();
  sort([...cards.values()], found);
  say("");
}

/** @param {unknown} error */
function showFailure(error) {
  if (!isAborted(error)) {
    say("");
    showError(error);
  }
}

/** Show what there is now; what was asked before no longer counts. */
function refresh() {
  showError(null);
  latest.ask(showItems).catch(showFailure);
}

/** @param {import("./state.js").Values} values */
function show(values) {
  invertField.value = values.invert;
  keepForOtherModels(values);
  const examplesAlone = !own.length && !tokens().length;
  const withExamples = examplesAlone || tokens().some((token) => token.startsWith("example:"));
  showDraws(drawsField, values.k, withExamples ? described.examples : 1);
  find("[data-share]", HTMLElement).hidden = true;
  if (examplesAlone) {
    share("reconstruct", { show: "error", zoom: 4 }, FORMATS);
  }
  find("[data-until]", HTMLElement).hidden = !examplesAlone;
  find("[data-kept]", HTMLElement).hidden = !own.length;
  find("[data-clear]", HTMLButtonElement).disabled = examplesAlone;
  refresh();
}

/** @param {Own[]} next @param {{store?: boolean}} how */
function setOwn(next, { store = true } = {}) {
  own.filter(({ id }) => !next.some((other) => other.id === id)).forEach(({ url }) => URL.revokeObjectURL(url));
  own = next;
  if (store) {
    keep(VIEW, own.map(({ name, blob }) => ({ name, blob }))).then((stays) => {
      const words = stays ? "They stay in this browser, for this tab, until you remove them." : "This browser does not keep them: reload, and they are gone.";
      find("[data-kept-words]", HTMLElement).textContent = words;
    });
  }
  show(state.values);
}

/** @param {import("./images/kept.js").OwnImage[]} images @returns {Own[]} */
function withUrls(images) {
  return images.map(({ name, blob }) => {
    numbered += 1;
    return { name, blob, id: `own-${numbered}`, url: URL.createObjectURL(blob) };
  });
}

/** @param {File[]} files */
function take(files) {
  const reasons = files.flatMap((file) => (whyNot(file) ? [`${file.name}: ${whyNot(file)}`] : []));
  const good = files.filter((file) => !whyNot(file)).map((file) => ({ name: file.name, blob: file }));
  const free = described.limits.upload_images - own.length;
  if (good.length > free) {
    reasons.push(`At most ${described.limits.upload_images} images at once: ${good.length - Math.max(free, 0)} were left out.`);
  }
  refused = reasons;
  setOwn([...own, ...withUrls(good.slice(0, Math.max(free, 0)))]);
  refused = []; // what is asked from here on is not of these files
  if (reasons.length) {
    showError(reasons.join(" "));
  }
}

/** By the button's `data-add`: the samples that it adds. @type {Record<string, () => string[]>} */
const SAMPLES = {
  examples: () => Array.from({ length: described.examples }, (_, i) => `example:${i}`),
  seed: () => [`seed:${Math.floor(Math.random() * 1e6)}/0`],
  noise: () => [`noise:${tokens().filter((token) => token.startsWith("noise")).length + 1}`],
  turned: () => ["turned:0"],
  negative: () => ["negative:0"],
  three: () => [described.examples ? "example:0" : "seed:42/0", "turned:0", "noise:1"],
};

function start() {
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll("[data-add]"))) {
    const add = SAMPLES[button.dataset.add ?? ""];
    button.addEventListener("click", () => state.set({ samples: [...new Set([...tokens(), ...add()])].join(";") }));
  }
  find("[data-clear]", HTMLButtonElement).addEventListener("click", () => {
    setOwn([]);
    state.set({ samples: "" });
  });
  invertField.addEventListener("change", () => state.set({ invert: invertField.value }));
  drawsField.addEventListener("change", () => state.set({ k: drawsField.value }));
  for (const element of document.querySelectorAll("[data-scripted]")) {
    element.removeAttribute("hidden");
  }
  const ready = kept(VIEW).then((images) => setOwn(withUrls(images), { store: false }));
  takeOwn(find("[data-files]", HTMLInputElement), (files) => ready.then(() => take(files)));
}

start();
