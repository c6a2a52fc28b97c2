/**
 * The gallery: samples of a seed without an end, by kind, temperature and render; a click opens the explorer there.
 */

import { announce, showError } from "./announce.js";
import { Walk } from "./gallery/walk.js";
import { onKey } from "./keys.js";
import { Latest } from "./latest.js";
import { described, find, make, viewUrl } from "./page.js";
import { facts, fill, ready } from "./pictures.js";
import { share } from "./share.js";
import { State } from "./state.js";

const PAGE = 21; // images that are asked for at once
const MOST = 2100; // images in one page: a browser slows down with more
const FORMATS = ["png", "webp", "gif", "zip", "npz", "csv", "json"];

const choices = find("[data-choices]", HTMLFormElement);
const samples = find("[data-samples]", HTMLElement);
const more = find("[data-more]", HTMLAnchorElement);
const seedField = find("#seed", HTMLInputElement);
const temperature = find("#temperature", HTMLInputElement);

const state = new State({ seed: "42", label: "", temperature: "1", render: described.samples_render, offset: "0" }, show);
const walk = new Walk(samples);
const latest = new Latest();
const observer = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting) && ready() && (scrolled || !canScroll())) {
    addMore().catch(showError);
  }
});
let scrolled = false; // a first visit is given no more than a screen of images
let shown = JSON.stringify(state.values); // what the samples show: the page came with them

function canScroll() {
  return document.documentElement.scrollHeight > innerHeight;
}

/** Parameters of `/samples` that are not at their defaults. */
function own() {
  const { seed, label, temperature, render } = state.values;
  return {
    seed,
    label: label || null,
    temperature: temperature === "1" ? null : temperature,
    render: render === described.samples_render ? null : render,
  };
}

function lastImage() {
  return Number(state.values.offset) + samples.children.length;
}

/**
 * A picture that leads to its code, and if it is a draw to its noise: the explorer shows the same picture.
 * @param {number} k Number of the image.
 * @param {string} point
 * @param {(image: HTMLImageElement) => void} show
 */
function item(k, point, show) {
  const { seed, label, render } = state.values;
  const drawn = render === "draw" ? { render, noise: `${seed}/${k}` } : {};
  const [height, width] = described.shape;
  const alt = `Image ${k} of seed ${seed}${label && `, ${label}`}`;
  const picture = make("img", { class: "picture", width, height, loading: "lazy", alt });
  show(picture);
  return make("li", {}, make("a", { href: viewUrl("explorer", { at: point, ...drawn }), "data-image": k }, picture));
}

/**
 * The next images. Those of a seed alone have a name, and each is an address that browsers keep; the codes of
 * others come with their pictures.
 * @param {number} first
 * @param {number} count
 * @returns {Promise<HTMLLIElement[]>}
 */
async function nextTiles(first, count) {
  const { seed, ...others } = own();
  if (Object.values(others).every((value) => value === null) && !/[~;]/.test(seed)) {
    return Array.from({ length: count }, (_, i) => {
      const k = first + i;
      return item(k, `seed:${seed}/${k}`, (image) => fill(image, "samples", { seed, n: 1, offset: k, columns: 1 }));
    });
  }
  const found = await facts("samples.json", { ...own(), n: count, offset: first });
  return found.images.map((/** @type {{picture: string, point: string}} */ each, /** @type {number} */ i) =>
    item(first + i, each.point, (image) => {
      image.src = each.picture;
    }),
  );
}

let adding = false;

async function addMore() {
  const first = lastImage();
  const count = Math.min(PAGE, Number(state.values.offset) + MOST - first);
  if (adding || count <= 0) {
    return;
  }
  adding = true;
  const asked = shown;
  try {
    const next = await nextTiles(first, count);
    if (asked === shown && first === lastImage()) {
      samples.append(...next);
      showError(null);
    }
  } finally {
    adding = false;
  }
  more.parentElement?.toggleAttribute("hidden", samples.children.length >= MOST);
  observer.unobserve(more); // which tells anew whether it is still in sight: a tall screen takes more than one page
  observer.observe(more);
}

/** Replace all images by those of the state. */
async function replace() {
  samples.replaceChildren(...(await latest.ask(() => nextTiles(Number(state.values.offset), PAGE))));
  showError(null);
  observer.unobserve(more);
  observer.observe(more);
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
    replace().catch(showError);
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
  // A picture does not say why it is not there: the same in words does. It may have failed before this module ran.
  const explain = () => facts("samples.json", { ...own(), n: 1 }).then(() => {}, showError);
  samples.addEventListener("error", explain, true);
  if ([...samples.querySelectorAll("img")].some((image) => image.complete && !image.naturalWidth)) {
    explain();
  }
  // A link to more leads on without JavaScript; with it the page grows as one scrolls.
  more.addEventListener("click", (event) => {
    event.preventDefault();
    addMore().catch(showError);
  });
  observer.observe(more);
  addEventListener(
    "scroll",
    () => {
      scrolled = true;
      observer.unobserve(more); // which tells anew whether it is in sight
      observer.observe(more);
    },
    { once: true },
  );
  for (const element of document.querySelectorAll("[data-others], [data-tools]")) {
    element.removeAttribute("hidden");
  }
  find("[data-others]", HTMLButtonElement).addEventListener("click", others);
  onKey("o", others);
  onKey("w", () => walk.toggle());
  show(state.values);
  const isPlain = Object.entries(state.values).every(
    ([name, value]) => ["seed", "offset"].includes(name) || value === state.defaults[name],
  );
  if (!isPlain || /[~;]/.test(state.values.seed)) {
    replace().catch(showError); // the page came without the codes of such images
  }
}

start();
