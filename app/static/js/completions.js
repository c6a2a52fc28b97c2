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
import { remembered } from "./remembered.js";
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

const state = new State({ of: FIRST, mask: "lower", n: "4", k: "256", seed: "42", render: described.samples_render }, show);
const editor = new Editor(find("[data-editor]", HTMLCanvasElement), maskOf(state.values), brush, (mask) => state.set({ mask: mask.text() }));
const newest = new Newest(answer);
/** @type {import("./images/kept.js").OwnImage | null} */
let own = null;
let taken = 0; // own images so far: another may have the same name
const fitted = remembered(sourceOfFile, 1);
const sourceOf = remembered((/** @type {string} */ of) => (own && of.startsWith(OWN) ? fitted(own) : sourceOfSample(of)), 1);
let answered = ""; // what the shown completions were asked for
/** @type {unknown} */
let refusal = null; // of a file that was given since the address changed; what is shown is another image still
let given = 0; // files so far: the last of them counts

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
  return sourceOf(of === OWN ? `${OWN} ${taken}` : of);
}

/** What completions are asked for: of what they show, and how. */
function wanted(values = state.values) {
  return JSON.stringify([values, taken]);
}

/** @param {Source} from @param {Mask} mask */
async function bodyOf(from, mask) {
  const body = new FormData();
  body.append("file", from.blob, "image.png");
  body.append("mask", await fileOfMask(mask), "mask.png");
  return body;
}

/** @param {Source} from @param {Mask} mask @param {Values} values */
async function completionsOf(from, mask, values) {
  const body = await bodyOf(from, mask);
  return askJson(urlOf("complete.json", parameters(values)), { method: "POST", body });
}

/** @param {Values} values */
function parameters({ n, k, seed, render }) {
  return { n, k, seed, render, invert: "no" };
}

/** Show the image that is completed. @param {string} asked Passed over if something else is wanted by then. */
async function showSource(asked) {
  const from = await currentSource();
  if (asked === wanted()) {
    editor.setImage(from.drawn);
    find("[data-source-name]", HTMLElement).textContent = from.name;
  }
  return from;
}

/** Ask for what the address says, and show it if the address says so still. */
async function answer() {
  const { values } = state;
  const asked = wanted(values);
  if (asked === answered) {
    return; // somebody went away and came back
  }
  try {
    const from = await showSource(asked);
    if (asked !== wanted()) {
      return;
    }
    const mask = maskOf(values);
    progress.hidden = !mask.count();
    const found = mask.count() ? await completionsOf(from, mask, values) : null;
    if (asked === wanted()) {
      showCompletions(found, values);
      answered = asked;
      showError(refusal);
    }
  } catch (error) {
    if (asked === wanted()) {
      showError(error);
    }
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
  refusal = null;
  editor.show(maskOf(values));
  showControls(values);
  keepForOtherModels(values);
  if (wanted(values) === answered) {
    showError(null); // the completions are right again
    showSource(answered).catch(showError);
  } else {
    newest.ask(undefined);
  }
}

/** @param {unknown} why A file cannot be completed. */
function refuse(why) {
  refusal = why;
  showError(why);
}

/** Complete a file of the user's, if the service can use it. @param {File[]} files */
async function take(files) {
  const [file] = files;
  const words = whyNot(file);
  if (words) {
    refuse(`${file.name}: ${words}`);
    return;
  }
  const image = { name: file.name, blob: file };
  given += 1;
  const number = given;
  const { of } = state.values;
  const wantedNoMore = () => number !== given || of !== state.values.of; // another image was chosen meanwhile
  try {
    await fitted(image);
  } catch (error) {
    if (!wantedNoMore()) {
      refuse(error);
    }
    return;
  }
  if (wantedNoMore()) {
    return;
  }
  own = image;
  taken += 1;
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
