/**
 * A picture of ours, dropped or pasted anywhere: its state comes back, and whether it is genuine.
 *
 * A view that takes images gets every picture; of one of ours it is said there where it was made. On any other
 * page the view that made it opens, and pictures that are not ours are handed to the view that scores images.
 */

import { showError } from "./announce.js";
import { askJson } from "./ask.js";
import { keep, takeKept } from "./images/kept.js";
import { Latest } from "./latest.js";
import { find, make, root } from "./page.js";
import { viewOf } from "./recipes.js";
import { ofTab } from "./storage.js";

const NOTICE = "vitrine-notice"; // what the next page is to say
const HANDED_OVER = "handed-over"; // images for the next page

/** @typedef {{words: string, link?: string, good?: boolean}} Notice */

/** @type {((files: File[]) => void) | null} */
let taker = null;

const latest = new Latest();

/**
 * Let a view take the images that are dropped on its page or pasted into it, or that another page hands over.
 * @param {(files: File[]) => void} take
 */
export function takeImages(take) {
  taker = take;
  takeKept(HANDED_OVER).then((images) => {
    if (images.length) {
      take(images.map(({ name, blob }) => new File([blob], name, { type: blob.type })));
    }
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

/**
 * Ask whether a picture is one of ours.
 * @param {File[]} files Of several nothing is asked.
 * @returns {Promise<Notice | null>} null: it is not.
 */
async function inspect(files) {
  if (files.length !== 1) {
    return null;
  }
  const body = new FormData();
  body.append("file", files[0]);
  const found = await askJson(new URL("inspect?verify=1", root).href, { method: "POST", body });
  if (!found.recipe) {
    return null;
  }
  const good = found.verification.verdict === "agrees";
  return { words: wordsOf(files[0].name, found), good, link: viewOf(found.recipe) ?? undefined };
}

/** @param {File[]} files */
async function receive(files) {
  showError(null);
  const inspected = latest.ask(() => inspect(files));
  if (taker) {
    taker(files); // which says itself what is wrong with them: what is said of the inspection is not needed
    const notice = await inspected.catch(() => null);
    if (notice) {
      showNotice(notice);
    }
    return;
  }
  const notice = await inspected;
  if (!notice) {
    await handOver(files);
  } else if (notice.link && ofTab.set(NOTICE, JSON.stringify({ ...notice, link: undefined }))) {
    location.href = notice.link;
  } else {
    showNotice(notice);
  }
}

/** Have the view that scores images take some. @param {File[]} files */
async function handOver(files) {
  if (!(await keep(HANDED_OVER, files.map((file) => ({ name: file.name, blob: file }))))) {
    throw new Error("This browser keeps nothing from page to page. Open “Reconstruct and score”, and drop it there.");
  }
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

const said = ofTab.take(NOTICE);
if (said) {
  showNotice(JSON.parse(said));
}

addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) {
    event.preventDefault();
  }
});
addEventListener("drop", (event) => taken(event, event.dataTransfer));
addEventListener("paste", (event) => taken(event, event.clipboardData));
