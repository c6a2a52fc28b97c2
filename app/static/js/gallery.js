/**
 * The gallery: samples of a seed without an end, by kind, temperature and render; a click opens the explorer there.
 */

import { announce, showError } from "./announce.js";
import { Walk } from "./gallery/walk.js";
import { onKey } from "./keys.js";
import { described, find, make, viewUrl } from "./page.js";
import { facts, fill, ready } from "./pictures.js";
import { share } from "./share.js";
import { State } from "./state.js";

const PAGE = 21; // images that are asked for at once
const MOST = 2100; // images in one page: a browser slows down with more
const FORMATS = ["png", "webp", "gif", "zip", "npz", "csv", "json"];

const choices = find("[data-choices]", HTMLFormElement);
const tiles = find("[data-tiles]", HTMLElement);
const more = find("[data-more]", HTMLAnchorElement);
const seedField = find("#seed", HTMLInputElement);
const temperature = find("#temperature", HTMLInputElement);

const state = new State({ seed: "42", label: "", temperature: "1", render: "mean", offset: "0" }, show);
const walk = new Walk(tiles);
const observer = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && ready() && addMore());
let shown = JSON.stringify(state.values); // what the tiles show: the page came with them

/** Parameters of `/samples` that are not at their defaults. */
function own() {
  const { seed, label, temperature, render } = state.values;
  return {
    seed,
    label: label || null,
    temperature: temperature === "1" ? null : temperature,
    render: render === "mean" ? null : render,
  };
}

function lastImage() {
  return Number(state.values.offset) + tiles.children.length;
}

/** @param {number} k */
function tile(k) {
  const { seed, label } = state.values;
  const [height, width] = described.shape;
  const picture = make("img", {
    class: "picture",
    width,
    height,
    loading: "lazy",
    alt: `Image ${k} of seed ${seed}${label && `, ${label}`}`,
  });
  fill(picture, "samples", { ...own(), n: 1, offset: k, columns: 1 });
  const link = make("a", { href: viewUrl("explorer", { at: `seed:${seed}/${k}` }), "data-image": k }, picture);
  return make("li", {}, link);
}

/**
 * Let links lead to the very codes: only those of a seed alone have a name.
 * @param {number} first
 * @param {number} count
 */
async function linkToCodes(first, count) {
  const { seed, ...others } = own();
  if (!Object.values(others).some((value) => value !== null)) {
    return;
  }
  const asked = JSON.stringify(state.values);
  const found = await facts("samples.json", { ...own(), n: count, offset: first });
  if (asked !== JSON.stringify(state.values)) {
    return;
  }
  found.images.forEach((/** @type {{point: string}} */ { point }, /** @type {number} */ i) => {
    const link = tiles.querySelector(`[data-image="${first + i}"]`);
    link?.setAttribute("href", viewUrl("explorer", { at: point }));
  });
}

async function addMore() {
  const first = lastImage();
  const count = Math.min(PAGE, Number(state.values.offset) + MOST - first);
  tiles.append(...Array.from({ length: count }, (_, i) => tile(first + i)));
  more.parentElement?.toggleAttribute("hidden", tiles.children.length >= MOST);
  observer.unobserve(more); // which tells anew whether it is still in sight: a tall screen takes more than one page
  observer.observe(more);
  await linkToCodes(first, count).catch(showError);
}

/** @param {import("./state.js").Values} values */
function show(values) {
  const wanted = JSON.stringify(values);
  if (document.activeElement !== seedField) {
    seedField.value = values.seed;
  }
  temperature.value = values.temperature;
  find("[data-temperature]", HTMLOutputElement).textContent = values.temperature;
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (choices.querySelectorAll("input[type=radio]"))) {
    radio.checked = values[radio.name] === radio.value;
  }
  share("samples", { ...own(), n: PAGE, offset: values.offset === "0" ? null : values.offset, zoom: 4 }, FORMATS);
  if (wanted !== shown) {
    shown = wanted;
    showError(null);
    tiles.replaceChildren();
    addMore();
    announce(`${PAGE} images of seed ${values.seed}${values.label && `, ${values.label}`}`);
  }
}

function others() {
  state.set({ seed: String(Math.floor(Math.random() * 1e6)), offset: "0" });
}

function start() {
  choices.addEventListener("submit", (event) => event.preventDefault());
  choices.addEventListener("input", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.name in state.values) {
      const moving = event.target.type === "range" || event.target.type === "text";
      state.set({ [event.target.name]: event.target.value || state.defaults[event.target.name], offset: "0" }, { step: !moving });
    }
  });
  // A link to more leads on without JavaScript; with it the page grows as one scrolls.
  more.addEventListener("click", (event) => {
    event.preventDefault();
    addMore();
  });
  observer.observe(more);
  for (const element of document.querySelectorAll("[data-others], [data-tools]")) {
    element.removeAttribute("hidden");
  }
  find("[data-others]", HTMLButtonElement).addEventListener("click", others);
  onKey("o", others);
  onKey("w", () => walk.toggle());
  show(state.values);
  linkToCodes(Number(state.values.offset), tiles.children.length).catch(showError);
}

start();
