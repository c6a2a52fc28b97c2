/**
 * A walk between two images of the gallery: while it is on, a click chooses an image and opens nothing.
 */

import { announce, showError } from "../announce.js";
import { Latest } from "../latest.js";
import { described, find, viewUrl } from "../page.js";
import { showIn } from "../pictures.js";

const STEPS = 9;

/** Chooses two images, and shows the way from one to the other. */
export class Walk {
  /** @param {HTMLElement} samples With a link for each image, whose address names its point. */
  constructor(samples) {
    /** @type {HTMLAnchorElement[]} */
    this.chosen = [];
    this.latest = new Latest();
    this.on = false;
    this.panel = find("[data-walk]", HTMLElement);
    this.begin = find("[data-walk-begin]", HTMLButtonElement);
    this.picture = find("[data-walk-picture]", HTMLImageElement);
    this.hint = find("[data-walk-hint]", HTMLElement);
    this.open = find("[data-walk-open]", HTMLAnchorElement);
    this.begin.addEventListener("click", () => this.toggle());
    find("[data-walk-end]", HTMLButtonElement).addEventListener("click", () => this.toggle());
    samples.addEventListener("click", (event) => this.choose(event));
  }

  /** Begin to choose, or end. */
  toggle() {
    this.on = !this.on;
    this.begin.setAttribute("aria-pressed", String(this.on));
    this.panel.hidden = !this.on;
    this.forget();
    if (!this.on) {
      this.begin.focus();
    }
  }

  forget() {
    for (const link of this.chosen) {
      link.removeAttribute("data-chosen");
    }
    this.chosen = [];
    this.latest.stop();
    this.picture.hidden = true;
    this.open.hidden = true;
    this.say("Choose the first image.");
  }

  /** @param {string} words */
  say(words) {
    this.hint.textContent = words;
    announce(words);
  }

  /** @param {MouseEvent} event */
  choose(event) {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!this.on || !link) {
      return;
    }
    event.preventDefault();
    if (this.chosen.length === 2) {
      this.forget();
    }
    link.setAttribute("data-chosen", "");
    this.chosen.push(link);
    if (this.chosen.length === 2) {
      this.show().catch(showError);
    } else {
      this.say("Choose the second image.");
    }
  }

  async show() {
    const [from, to] = this.chosen.map((link) => new URL(link.href).searchParams.get("at") ?? "centre");
    const path = described.paths.includes("density") ? "density" : "slerp";
    await this.latest.ask((signal) => showIn(this.picture, "interpolate", { from, to, steps: STEPS, path }, signal));
    this.picture.alt = `${STEPS} images on the way from the first to the second`;
    this.picture.hidden = false;
    this.open.href = viewUrl("explorer", { at: from, to, path: path === "density" ? null : path });
    this.open.hidden = false;
    this.say("The way from the first to the second. Choose another first image, or play this way.");
  }
}
