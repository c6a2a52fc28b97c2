/**
 * Where views get images from: chosen, dropped and pasted files, the model's examples, generated ones, and odd ones.
 *
 * A sample is named by a text that an address can have: `example:0`, `seed:42/3`, `noise:7`, and `turned:0` and
 * `negative:0` of an example. Its pixels are sent as the data has them, light ink, so that nothing of it is inverted.
 */

import { askJson, blobOf } from "./ask.js";
import { takeImages } from "./drop.js";
import { CHANGES, levelsOf, pngOf } from "./images/odd.js";
import { described, urlOf } from "./page.js";

/** @typedef {{token: string, name: string, blob: Blob}} Sample */

const TOKEN = /^(?:(example|noise|turned|negative):(\d{1,9})|seed:([^/;]{1,64})\/(\d{1,9}))$/;

/**
 * Tell a view of files that are chosen in a field, dropped or pasted on its page, or handed over by another.
 * @param {HTMLInputElement} field Of type `file`, within the label that shows where to drop.
 * @param {(files: File[]) => void} take
 */
export function takeOwn(field, take) {
  const takeChosen = () => {
    const files = [...(field.files ?? [])];
    field.value = ""; // else the same file could not be chosen again
    if (files.length) {
      take(files);
    }
  };
  field.addEventListener("change", takeChosen);
  takeChosen(); // somebody may be quicker than the page's modules
  const zone = field.closest("label");
  const mark = (/** @type {boolean} */ over) => zone?.toggleAttribute("data-over", over);
  addEventListener("dragover", (event) => mark(Boolean(event.dataTransfer?.types.includes("Files"))));
  addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
  addEventListener("drop", () => mark(false));
  takeImages(take);
}

/**
 * Whether a text names a sample of this model.
 * @param {string} token
 */
export function isSample(token) {
  const found = TOKEN.exec(token);
  if (!found) {
    return false;
  }
  const ofExample = ["example", "turned", "negative"].includes(found[1]);
  return !ofExample || Number(found[2]) < Math.max(described.examples, found[1] === "example" ? 0 : 1);
}

/**
 * What people call a sample.
 * @param {string} token
 */
export function nameOf(token) {
  const [kind, rest] = [token.slice(0, token.indexOf(":")), token.slice(token.indexOf(":") + 1)];
  const base = described.examples ? `Example ${rest}` : `Generated image ${rest} of seed 42`;
  if (kind === "seed") {
    const cut = rest.lastIndexOf("/");
    return `Generated image ${rest.slice(cut + 1)} of seed ${rest.slice(0, cut)}`;
  }
  return { example: base, noise: `Noise ${rest}`, turned: `${base} upside down`, negative: `${base} as a negative` }[kind] ?? token;
}

/** The picture of a sample before it is changed: light ink, a `data:` URL. @param {string} token */
async function pictureOf(token) {
  const [kind, number] = token.split(":");
  if (kind === "seed") {
    const cut = token.lastIndexOf("/");
    const asked = { seed: token.slice(5, cut), n: 1, offset: token.slice(cut + 1), ink: "light" };
    return (await askJson(urlOf("samples.json", asked))).images[0].picture;
  }
  if (!described.examples) {
    const asked = { seed: 42, n: 1, offset: kind === "noise" ? 0 : number, ink: "light" };
    return (await askJson(urlOf("samples.json", asked))).images[0].picture;
  }
  const answer = await askJson(urlOf("reconstruct.json", { ink: "light" }));
  return answer.images[kind === "noise" ? 0 : Number(number)].picture;
}

/**
 * Get or make a sample.
 * @param {string} token
 * @returns {Promise<Sample>}
 */
export async function sampleOf(token) {
  const [kind, number] = token.split(":");
  const picture = await pictureOf(token);
  const change = CHANGES[kind];
  if (!change) {
    return { token, name: nameOf(token), blob: blobOf(picture) };
  }
  const levels = await levelsOf(picture);
  change(levels.data, Number(number), described.shape.length === 3);
  return { token, name: nameOf(token), blob: await pngOf(levels) };
}

/**
 * Why a file is not sent at all, in words; null: it may be sent.
 * @param {File} file
 */
export function whyNot(file) {
  const megabytes = (/** @type {number} */ bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
  if (file.size > described.limits.upload_bytes) {
    return `It has ${megabytes(file.size)}; at most ${megabytes(described.limits.upload_bytes)} can be sent.`;
  }
  return file.size ? null : "The file is empty.";
}

/**
 * Keep a view's choices when another model is chosen: the form that chooses sends them too.
 * @param {import("./state.js").Values} values
 */
export function keepForOtherModels(values) {
  const form = document.querySelector("form.choose-model");
  for (const [name, value] of Object.entries(values)) {
    let field = form?.querySelector(`input[name="${name}"]`);
    if (form && !field) {
      field = document.createElement("input");
      field.setAttribute("type", "hidden");
      field.setAttribute("name", name);
      form.prepend(field);
    }
    field?.setAttribute("value", value);
    field?.toggleAttribute("disabled", !value);
  }
}
