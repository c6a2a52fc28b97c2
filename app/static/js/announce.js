/**
 * Words for those who do not see the picture: a polite live region, at most once a second. And errors, for all.
 */

import { isAborted } from "./latest.js";
import { find, make } from "./page.js";

const PAUSE = 1000; // milliseconds: a region that changes at every move of a slider is noise
let waiting = "";
let timer = 0;

/**
 * Say something when there is a pause.
 * @param {string} words
 */
export function announce(words) {
  waiting = words;
  timer ||= window.setTimeout(() => {
    find("[data-announce]", HTMLElement).textContent = waiting;
    timer = 0;
  }, PAUSE);
}

/**
 * Show what went wrong above the view until something works again; null: nothing did. That a request no longer counts
 * is nothing to show, and takes no other error away.
 * @param {unknown} error
 */
export function showError(error) {
  if (isAborted(error)) {
    return;
  }
  document.querySelector(".error-card")?.remove();
  if (error === null) {
    return;
  }
  const words = error instanceof Error ? error.message : String(error);
  const close = make("button", { type: "button", text: "Close" });
  close.addEventListener("click", () => showError(null));
  const card = make("div", { class: "error-card", role: "alert" }, make("p", { text: words }), close);
  find("main", HTMLElement).prepend(card);
}
