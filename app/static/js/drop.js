/**
 * A picture of ours, dropped or pasted anywhere: its state comes back, and whether it is genuine.
 *
 * A view that takes images gets every picture; of one of ours it is said there where it was made. On any other
 * page the view that made it opens, and pictures that are not ours are handed to the view that scores images.
 */

import { showError } from "./announce.js";
import { askJson, blobOf } from "./ask.js";
import { find, make, root } from "./page.js";
import { viewOf } from "./recipes.js";

const NOTICE = "vitrine-notice"; // what the next page is to say
const HANDED_OVER = "vitrine-handed-over"; // images for the next page: [{name, url}]

/** @typedef {{words: string, link?: string, good?: boolean}} Notice */

/** @type {((files: File[]) => void) | null} */
let taker = null;

/**
 * Let a view take the images that are dropped on its page or pasted into it, or that another page hands over.
 * @param {(files: File[]) => void} take
 */
export function takeImages(take) {
  taker = take;
  const handed = sessionStorage.getItem(HANDED_OVER);
  if (handed) {
    sessionStorage.removeItem(HANDED_OVER);
    take(/** @type {{name: string, url: string}[]} */ (JSON.parse(handed)).map(fileOf));
  }
}

/** @param {{name: string, url: string}} handed */
function fileOf({ name, url }) {
  const blob = blobOf(url);
  return new File([blob], name, { type: blob.type });
}

/** @param {File} file @returns {Promise<{name: string, url: string}>} */
function urlOfFile(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ name: file.name, url: String(reader.result) });
    reader.onerror = () => reject(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

/** @param {Notice} notice */
function showNotice({ words, link, good }) {
  document.querySelector(".notice")?.remove();
  const close = make("button", { type: "button", text: "Close" });
  const card = make("div", { class: good ? "notice good" : "notice", role: "status" }, make("p", { text: words }));
  if (link) {
    card.append(make("a", { class: "button", href: link, text: "Open it where it was made" }));
  }
  card.append(close);
  close.addEventListener("click", () => card.remove());
  find("main", HTMLElement).prepend(card);
}

/**
 * What a picture says of itself, in words.
 * @param {string} name
 * @param {any} found Answer of `/inspect?verify=1`.
 */
function wordsOf(name, found) {
  const model = found.recipe?.model ? ` by ${found.recipe.model}` : "";
  const words = {
    agrees: `Genuine: ${name} was generated here${model}; drawn again, every pixel is the same.`,
    differs: `Not genuine: ${name} claims to be generated${model}. ${found.verification.reason}`,
    unknown: `${name}: ${found.verification.reason}`,
  };
  return words[/** @type {"agrees"} */ (found.verification.verdict)];
}

/** @param {File} file */
async function inspect(file) {
  const body = new FormData();
  body.append("file", file);
  return askJson(new URL("inspect?verify=1", root).href, { method: "POST", body });
}

/** @param {File[]} files */
async function receive(files) {
  showError(null);
  const found = files.length === 1 ? await inspect(files[0]) : null;
  const link = found?.recipe ? viewOf(found.recipe) : null;
  const notice = found?.recipe
    ? { words: wordsOf(files[0].name, found), good: found.verification.verdict === "agrees" }
    : null;
  if (taker) {
    taker(files);
    if (notice) {
      showNotice({ ...notice, link: link ?? undefined });
    }
    return;
  }
  if (notice) {
    if (link) {
      sessionStorage.setItem(NOTICE, JSON.stringify(notice));
      location.href = link;
    } else {
      showNotice(notice);
    }
    return;
  }
  sessionStorage.setItem(HANDED_OVER, JSON.stringify(await Promise.all(files.map(urlOfFile))));
  location.href = new URL("reconstructions", root).href;
}

/** @param {DataTransfer | null} transfer */
function imagesOf(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}

/** @param {Event} event @param {DataTransfer | null} transfer */
function taken(event, transfer) {
  const files = imagesOf(transfer);
  if (event.defaultPrevented || !transfer?.files.length) {
    return;
  }
  event.preventDefault(); // also for what is no image: the browser would leave the page for it
  if (files.length) {
    receive(files).catch(showError);
  } else {
    showError(`${transfer.files[0].name} is no image. PNG, JPEG, WebP, GIF and BMP can be read.`);
  }
}

const said = sessionStorage.getItem(NOTICE);
if (said) {
  sessionStorage.removeItem(NOTICE);
  showNotice(JSON.parse(said));
}

addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) {
    event.preventDefault();
  }
});
addEventListener("drop", (event) => taken(event, event.dataTransfer));
addEventListener("paste", (event) => taken(event, event.clipboardData));
