/**
 * What is said above the cards: which image is the least usual, and where all of them lie among held-out ones.
 */

import { announce } from "../announce.js";
import { described, find } from "../page.js";
import { drawHistogram, tableOf } from "./histogram.js";
import { leastUsual, unusual } from "./words.js";

/** @typedef {{name: string, score: import("./answers.js").Score}} Ranked */

const NO_SCORES = "This model was published without scores of held-out images: there is no histogram to compare with.";

/**
 * @param {Ranked[]} ranked The least usual first.
 * @param {number[] | null} quantiles Of held-out images' corrected scores; null: the model has none.
 */
export function showSummary(ranked, quantiles) {
  const panel = find("[data-summary]", HTMLElement);
  panel.hidden = !ranked.length;
  if (!ranked.length) {
    return;
  }
  const [first] = ranked;
  const words = leastUsual(ranked);
  find("[data-least]", HTMLElement).textContent = words;
  find("[data-least-how]", HTMLElement).textContent = `${unusual(first.score)}.`.replace("..", ".");
  announce(`${words}. ${unusual(first.score)}`);
  const marks = ranked.flatMap(({ name, score }, i) =>
    score.corrected === null ? [] : [{ score: score.corrected, label: String(i + 1), name }],
  );
  const comparable = quantiles !== null && first.score.corrected_percentile !== null;
  find("[data-histogram]", HTMLElement).replaceChildren(...(comparable ? [drawHistogram(quantiles, marks)] : [NO_SCORES]));
  const about = find("[data-histogram-about]", HTMLElement);
  about.hidden = !comparable;
  if (comparable) {
    find("[data-held-out]", HTMLElement).textContent = `${described.scores?.images.toLocaleString("en")} held-out images`;
    find("[data-table]", HTMLElement).replaceChildren(tableOf(quantiles));
  }
}
