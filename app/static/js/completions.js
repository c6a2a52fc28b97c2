/**
 * Complete: part of an image is painted away, and the model shows what may stand there.
 */

import { announce, showError } from "./announce.js";
import { ask, askJson } from "./ask.js";
import { Editor } from "./completions/editor.js";
import { Mask } from "./completions/mask.js";
import { showCompletions } from "./completions/results.js";
import { fileOfMask, sourceOfFile, sourceOfSample } from "./completions/source.js";
import { showDraws } from "./draws.js";
import { isSample, keepForOtherModels, nameOf, takeOwn, whyNot } from "./images.js";
import { keep, kept } from "./images/kept.js";
import { onKey } from "./keys.js";
import { Newest } from "./newest.js";
import { described, find, make, urlOf } from "./page.js";
import { State } from "./state.js";

/** @typedef {import("./state.js").Values} Values */
/** @typedef {import("./completions/source.js").Source} Source */

const VIEW = "completions";
const OWN = "own"; // as a source: the file is not in the address, but in this browser
const [HEIGHT, WIDTH] = described.shape;
const FIRST = described.examples ? "example:0" : "seed:42/0";

const choices = find("[data-choices]", HTMLFormElement);
const tools = find("[data-tools]", HTMLFieldSetElement);
const seedField = find("#seed", HTMLInputElement);
const progress = find("[data-progress]", HTMLElement);

const state = new State({ of: FIRST, mask: "lower", n: "4", k: "256", seed: "42", render: "mean" }, show);
const editor = new Editor(find("[data-editor]", HTMLCanvasElement), maskOf(state.values), brush, (mask) => state.set({ mask: mask.text() }));
const newest = new Newest(answer);
/** @type {import("./images/kept.js").OwnImage | null} */
let own = null;
/** @type {{of: string, promise: Promise<Source>} | null} */
let source = null;
let answered = ""; // what the shown completions were asked for

/** @param {Values} values */
function maskOf({ mask }) {
  return Mask.read(mask, HEIGHT, WIDTH) ?? /** @type {Mask} */ (Mask.read("lower", HEIGHT, WIDTH));
}

function brush() {
  const chosen = new FormData(find("[data-brush]", HTMLFormElement));
  return { tool: String(chosen.get("tool")), size: Number(chosen.get("size")) };
}

/** The source that is shown for what an address says: links do not carry files, and models have fewer examples. */
function sourceName() {
  const { of } = state.values;
  return of === OWN ? (own ? OWN : FIRST) : isSample(of) ? of : FIRST;
}

/** @returns {Promise<Source>} */
function currentSource() {
  const of = sourceName();
  if (source?.of !== of) {
    source = { of, promise: of === OWN && own ? sourceOfFile(own) : sourceOfSample(of) };
    source.promise.catch(() => {
      source = null; // it may work when asked again
    });
  }
  return source.promise;
}

/** @param {Source} from @param {Mask} mask */
async function bodyOf(from, mask) {
  const body = new FormData();
  body.append("file", from.blob, "image.png");
  body.append("mask", await fileOfMask(mask), "mask.png");
  return body;
}

/** @param {Values} values */
function parameters({ n, k, seed, render }) {
  return { n, k, seed, render, invert: "no" };
}

/** @param {Values} values */
async function answer(values) {
  const asked = JSON.stringify([values, own?.name]);
  try {
    const from = await currentSource();
    editor.setImage(from.drawn);
    find("[data-source-name]", HTMLElement).textContent = from.name;
    const mask = maskOf(values);
    if (!mask.count()) {
      showCompletions(null, values);
      answered = asked;
      return;
    }
    progress.hidden = false;
    const body = await bodyOf(from, mask);
    showCompletions(await askJson(urlOf("complete.json", parameters(values)), { method: "POST", body }), values);
    answered = asked;
    showError(null);
  } catch (error) {
    showError(error);
  } finally {
    progress.hidden = true;
  }
}

/** @param {Values} values */
function showControls(values) {
  if (document.activeElement !== seedField) {
    seedField.value = values.seed;
  }
  const count = find("#n", HTMLSelectElement);
  if (![...count.options].some(({ value }) => value === values.n)) {
    count.append(make("option", { value: values.n, text: values.n }));
  }
  count.value = values.n;
  showDraws(find("#k", HTMLSelectElement), values.k);
  for (const radio of /** @type {NodeListOf<HTMLInputElement>} */ (choices.querySelectorAll("input[type=radio]"))) {
    radio.checked = values[radio.name] === radio.value;
  }
  for (const button of document.querySelectorAll("[data-preset]")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("data-preset") === values.mask));
  }
  for (const button of document.querySelectorAll("[data-example]")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("data-example") === sourceName()));
  }
  find("[data-undo]", HTMLButtonElement).disabled = !editor.past.length;
  find("[data-lost]", HTMLElement).hidden = values.of !== OWN || own !== null;
  find("[data-kept]", HTMLElement).hidden = sourceName() !== OWN;
}

/** @param {Values} values */
function show(values) {
  editor.show(maskOf(values));
  showControls(values);
  keepForOtherModels(values);
  if (JSON.stringify([values, own?.name]) === answered) {
    showError(null); // what is shown is right again
  } else {
    newest.ask(values);
  }
}

/** @param {File[]} files */
function take(files) {
  const [file] = files;
  const refusal = whyNot(file);
  if (refusal) {
    showError(`${file.name}: ${refusal}`);
    return;
  }
  own = { name: file.name, blob: file };
  source = null;
  answered = "";
  keep(VIEW, [own]);
  if (files.length > 1) {
    announce(`One image is completed at a time: ${file.name}`);
  }
  state.set({ of: OWN });
}

/** Buttons with the examples' pictures. */
async function showExamples() {
  const field = find("[data-examples]", HTMLElement);
  if (!described.examples) {
    return;
  }
  const { images } = await askJson(urlOf("reconstruct.json", {}));
  const buttons = Array.from({ length: described.examples }, (_, i) => {
    const picture = make("img", { class: "picture", src: images[i].picture, width: WIDTH, height: HEIGHT, alt: nameOf(`example:${i}`) });
    const button = make("button", { type: "button", "data-example": `example:${i}`, "aria-pressed": "false" }, picture);
    button.addEventListener("click", () => state.set({ of: `example:${i}` }));
    return button;
  });
  field.prepend(...buttons);
  showControls(state.values);
}

/** All that is shown as one picture, drawn by the service. */
async function download() {
  const body = await bodyOf(await currentSource(), maskOf(state.values));
  const picture = await ask(urlOf("complete.png", { ...parameters(state.values), zoom: 4 }), { method: "POST", body });
  const url = URL.createObjectURL(await picture.blob());
  make("a", { href: url, download: "completions.png" }).click();
  URL.revokeObjectURL(url);
}

function undo() {
  if (editor.undo()) {
    announce("Undone");
  }
}

function others() {
  state.set({ seed: String(Math.floor(Math.random() * 1e6)) });
}

function startTools() {
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (tools.querySelectorAll("[data-preset]"))) {
    button.addEventListener("click", () => editor.change(() => maskOf({ mask: button.dataset.preset ?? "" })));
  }
  const on = (/** @type {string} */ name, /** @type {() => void} */ action) =>
    find(`[data-${name}]`, HTMLButtonElement).addEventListener("click", action);
  on("undo", undo);
  on("clear", () => editor.change(() => new Mask(HEIGHT, WIDTH)));
  on("invert", () => editor.change((mask) => mask.invert()));
  on("generated", () => state.set({ of: `seed:${Math.floor(Math.random() * 1e6)}/0` }));
  on("others", others);
  on("download", () => download().catch(showError));
  onKey("o", others);
  onKey("ctrl+z", undo);
}

async function start() {
  choices.addEventListener("submit", (event) => event.preventDefault());
  choices.addEventListener("input", (event) => {
    const { target } = event;
    if ((target instanceof HTMLInputElement || target instanceof HTMLSelectElement) && target.name in state.values) {
      state.set({ [target.name]: target.value || state.defaults[target.name] }, { step: target.type !== "text" });
    }
  });
  startTools();
  for (const element of document.querySelectorAll("[data-scripted]")) {
    element.removeAttribute("hidden");
  }
  const ready = kept(VIEW).then(([image = null]) => {
    own = image;
    show(state.values);
  });
  takeOwn(find("[data-files]", HTMLInputElement), (files) => ready.then(() => take(files)));
  await Promise.all([ready, showExamples()]);
}

start().catch(showError);
