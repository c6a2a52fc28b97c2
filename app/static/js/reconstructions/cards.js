/**
 * A card for each image: what became of it at each step, its numbers, and where it lies among held-out images.
 */

import { described, make, urlOf } from "../page.js";
import { drawHistogram } from "./histogram.js";
import { unusual, written } from "./words.js";

/** @typedef {import("./answers.js").Item} Item */
/** @typedef {import("./answers.js").Reconstruction} Reconstruction */
/** @typedef {import("./answers.js").Score} Score */

/** @param {string} key Of templates/terms.html. @param {string} word */
function term(key, word) {
  return make("button", { type: "button", class: "term", popovertarget: `term-${key}`, text: word });
}

/** @param {string} source @param {string} words @param {string} alt */
function stage(source, words, alt) {
  const [height, width] = described.shape;
  const picture = make("img", { class: "picture", src: source, alt, width, height });
  return make("figure", {}, picture, make("figcaption", { text: words }));
}

/** @param {string | Node} name @param {string} value */
function row(name, value) {
  return make("div", {}, make("dt", {}, name), make("dd", { text: value }));
}

/** @param {Reconstruction} found */
function closenessOf(found) {
  const psnr = found.psnr === null ? "no error" : `${written(found.psnr)} dB`;
  return make(
    "dl",
    { class: "numbers", "data-closeness": "" },
    row("MSE", written(found.mse, 5)),
    row("PSNR", psnr),
    row("SSIM", written(found.ssim, 3)),
  );
}

/** @param {Score} score */
function numbersOf(score) {
  const error = score.standard_error === null ? "" : ` ± ${written(score.standard_error)}`;
  const bits = score.bits_per_dim === null ? "" : `, ${written(score.bits_per_dim, 2)} bits a pixel`;
  return make(
    "dl",
    { class: "numbers", "data-scores": "" },
    row(term("corrected-score", "corrected score"), `${written(score.corrected)} nats`),
    row(term("l-k", `L_${score.k}`), `${written(score.log_p_x)}${error} nats${bits}`),
    row(term("elbo", "ELBO"), `${written(score.elbo)} nats`),
    row("its reconstruction term", `${written(score.reconstruction)} nats`),
    row(term("kl", "its KL"), `${written(score.kl)} nats`),
  );
}

/** @param {Score} score @param {string} name */
function surpriseOf({ surprise }, name) {
  const figure = stage(surprise.picture, "", `How surprising each pixel of ${name} is`);
  const ends = [written(surprise.low + 0, 1).replace("−0.0", "0.0"), `${written(surprise.high, 1)} nats`];
  const scale = make("span", { class: "scale" }, make("span", { text: ends[0] }), make("span", { class: "ramp" }), make("span", { text: ends[1] }));
  figure.querySelector("figcaption")?.replaceChildren(term("surprise", "surprise"), scale);
  figure.setAttribute("data-surprise", "");
  return figure;
}

/** One image's card, which is filled as answers come. */
export class Card {
  /**
   * @param {Item} item
   * @param {{original: string | null, remove: (() => void) | null, more: Node | null}} own original: of a file of the user's.
   */
  constructor(item, { original, remove, more }) {
    this.item = item;
    /** @type {Score | null} */
    this.score = null;
    this.title = make("h3", { text: item.name });
    this.stages = make("div", { class: "stages" });
    this.verdict = make("p", { class: "verdict" });
    this.drawn = make("div", {});
    this.numbers = make("div", { class: "all-numbers" });
    this.links = make("p", { class: "buttons" });
    this.more = more;
    this.original = original;
    if (original) {
      this.stages.append(stage(original, "original", `${item.name} as it was given`));
    }
    if (remove) {
      const button = make("button", { type: "button", text: "Remove", "aria-label": `Remove ${item.name}` });
      button.addEventListener("click", remove);
      this.links.append(button);
    }
    const judged = make("div", { class: "judged" }, this.verdict, this.drawn);
    this.element = make("li", { class: "panel card" }, this.title, this.stages, judged, this.numbers, this.links);
  }

  /** @param {Reconstruction} found */
  reconstructed(found) {
    const { name } = this.item;
    const saw = found.notes.length ? `what the encoder saw: ${found.notes.join("; ")}` : "what the encoder saw";
    const first = this.original ? [this.stages.children[0]] : [];
    this.stages.replaceChildren(
      ...first,
      stage(found.seen, saw, `${name} as the encoder saw it`),
      stage(found.decoded, "reconstruction", `The reconstruction of ${name}`),
      stage(found.error, "error", `How far ${name} and its reconstruction differ`),
    );
    this.numbers.replaceChildren(closenessOf(found));
    const explore = make("a", { class: "button", href: urlOf("explorer", { at: found.point }), text: "Explore from its code" });
    this.links.prepend(explore);
    if (this.item.kind !== "own") {
      explore.after(make("a", { class: "button", href: urlOf("completions", { of: this.item.id }), text: "Complete a part of it" }));
    }
    if (this.more) {
      this.links.after(this.more);
    }
  }

  /** @param {Score} score @param {number[] | null} quantiles */
  scored(score, quantiles) {
    this.score = score;
    this.verdict.textContent = unusual(score);
    this.stages.append(surpriseOf(score, this.item.name));
    this.numbers.prepend(numbersOf(score));
    if (quantiles && score.corrected !== null) {
      this.drawn.replaceChildren(drawHistogram(quantiles, [{ score: score.corrected, label: "this image", name: this.item.name }]));
    }
  }

  /** @param {string} words Why the file cannot be used. */
  fail(words) {
    this.element.classList.add("failed");
    this.stages.replaceChildren();
    this.verdict.className = "fault";
    this.verdict.textContent = `This file cannot be used. ${words}`;
  }

  /** @param {number} rank From 1, the least usual. @param {number} count Of ranked images. */
  rank(rank, count) {
    const badge = rank === 1 && count > 1 ? [" ", make("span", { class: "badge", text: "least usual" })] : [];
    this.title.replaceChildren(count > 1 ? `${rank}. ${this.item.name}` : this.item.name, ...badge);
  }
}
