/**
 * The completions as pictures, and in words how far they can be trusted.
 */

import { announce } from "../announce.js";
import { described, find, make } from "../page.js";

/** @typedef {{images: {picture: string}[], completions: {log_p_seen: number, effective_sample_size: number, standard_error: number}[]}} Answer */

/**
 * Whether so few draws matter that completions may repeat, and that they do not tell how exact their mean is.
 * @param {number} size The effective sample size.
 * @param {number} n Completions.
 */
function isLow(size, n) {
  return size < 2 * n;
}

/**
 * How many of the draws matter, in words.
 * @param {number} size The effective sample size.
 * @param {number} k Draws.
 * @param {number} n Completions.
 * @param {string} render What each shows.
 */
function trust(size, k, n, render) {
  const share = `${size < 10 ? size.toFixed(1) : size.toFixed(0)} of ${k} draws count`;
  return isLow(size, n) ? `Only ${share}: the same ${render === "draw" ? "draw" : "code"} may be shown again, and others as likely may be absent. More draws help.` : `${share}.`;
}

/** @param {string} source @param {string} words @param {string} alt */
function figureOf(source, words, alt) {
  const [height, width] = described.shape;
  const picture = make("img", { class: "picture", src: source, width, height, alt });
  const link = make("a", { href: source, download: `${words.replaceAll(" ", "-")}.png`, text: words });
  return make("li", {}, make("figure", {}, picture, make("figcaption", {}, link)));
}

/**
 * @param {Answer | null} answer Of `/complete.json` with one image; null: nothing is missing.
 * @param {import("../state.js").Values} values
 */
export function showCompletions(answer, { k, n, render }) {
  const words = find("[data-trust]", HTMLElement);
  const list = find("[data-completions]", HTMLElement);
  find("[data-download]", HTMLButtonElement).disabled = !answer;
  if (!answer) {
    words.textContent = "Nothing is missing yet: paint a part of the image away.";
    find("[data-exactness]", HTMLElement).textContent = "";
    list.replaceChildren();
    return;
  }
  const [, mean, ...single] = answer.images.map(({ picture }) => picture);
  const [about] = answer.completions;
  words.textContent = trust(about.effective_sample_size, Number(k), Number(n), render);
  list.replaceChildren(
    ...single.map((picture, i) => figureOf(picture, `completion ${i + 1}`, `Completion ${i + 1}, ${render === "draw" ? "a draw" : "the mean of its code"}`)),
    figureOf(mean, "mean of all", "The weighted mean of all codes"),
  );
  const error = (255 * about.standard_error).toFixed(1);
  const exactness = isLow(about.effective_sample_size, Number(n)) ? "" : ` The mean of all is known to ± ${error} of 255 levels.`;
  const seen = `log p of what is seen: estimated as ${about.log_p_seen.toFixed(1).replace("-", "−")} nats, on average too low.`;
  find("[data-exactness]", HTMLElement).textContent = seen + exactness;
  announce(`${single.length} completions. ${words.textContent}`);
}
