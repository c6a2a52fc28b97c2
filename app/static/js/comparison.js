/**
 * Two models beside each other: another seed, and the same state in the address.
 */

import { announce, showError } from "./announce.js";
import { showPicture } from "./ask.js";
import { onKey } from "./keys.js";
import { Newest } from "./newest.js";
import { find, queryOf, urlOf } from "./page.js";
import { share } from "./share.js";
import { State } from "./state.js";

const IMAGES = 12;
const FORMATS = ["png", "webp", "gif", "zip", "json"];

/** @param {import("./state.js").Values} values */
function pointsOf({ seed, points }) {
  return points || Array.from({ length: IMAGES }, (_, k) => `seed:${seed}/${k}`).join(";");
}

function start() {
  const choices = find("[data-choices]", HTMLFormElement);
  const second = find("#with", HTMLSelectElement);
  const seed = find("#seed", HTMLInputElement);
  const picture = find("[data-picture]", HTMLImageElement);
  const newest = new Newest((/** @type {string} */ url) => showPicture(picture, url).then(() => showError(null), showError));
  const answered = find("option[selected]", HTMLOptionElement, second).value; // whatever was chosen later
  const other = second.dataset.pinned ?? answered;
  let shown = "";

  /** @param {import("./state.js").Values} values */
  function show(values) {
    if (document.activeElement !== seed) {
      seed.value = values.seed;
    }
    find("h1", HTMLElement).textContent = values.points ? "The same points, two models" : "One seed, two models";
    const parameters = { with: other, points: pointsOf(values) };
    share("compare", parameters, FORMATS);
    if (shown && shown !== pointsOf(values)) {
      newest.ask(urlOf("compare", parameters));
      announce(`Images of seed ${values.seed}`);
    }
    shown = pointsOf(values);
  }

  const state = new State({ seed: "0", points: "" }, show);
  const others = () => state.set({ seed: String(Math.floor(Math.random() * 1e6)), points: "" });
  choices.addEventListener("submit", (event) => event.preventDefault());
  seed.addEventListener("input", () => state.set({ seed: seed.value || "0", points: "" }, { step: false }));
  second.addEventListener("change", () => {
    const query = { ...Object.fromEntries(new URLSearchParams(location.search)), with: second.value };
    second.value = answered; // "back" may show this very page again
    location.search = queryOf(query);
  });
  const button = find("[data-others]", HTMLButtonElement);
  button.hidden = false;
  button.addEventListener("click", others);
  onKey("o", others);
  show(state.values);
  // A picture does not say why it is not there: asked for again, the service does.
  const explain = () => newest.ask(urlOf("compare", { with: other, points: pointsOf(state.values) }));
  picture.addEventListener("error", explain, { once: true });
  if (picture.complete && !picture.naturalWidth) {
    explain();
  }
}

if (document.querySelector("[data-choices]")) {
  start();
}
