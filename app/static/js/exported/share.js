/**
 * In the place of ../share.js where there is no service: the page's link, and the picture as a file.
 */

import { announce, showError } from "../announce.js";
import { find } from "../page.js";
import { picture } from "./pictures.js";

/** @typedef {import("../page.js").Parameters} Parameters */

const ZOOM = 8;

/** @type {{path: string, parameters: Parameters} | null} */
let shown = null;

/**
 * Say which picture the panel is of.
 * @param {string} path
 * @param {Parameters} parameters
 */
export function share(path, parameters) {
  shown = { path, parameters };
  find("[data-share]", HTMLElement).hidden = false;
}

async function copy() {
  const field = find("[data-copied]", HTMLElement);
  field.textContent = location.href;
  field.hidden = false;
  try {
    await navigator.clipboard.writeText(location.href);
    announce("Copied");
  } catch {
    getSelection()?.selectAllChildren(field); // no clipboard without https: the text is there to be copied by hand
    announce("Press Ctrl+C to copy");
  }
}

async function download() {
  if (!shown) {
    return;
  }
  const bitmap = await picture(shown.path, shown.parameters);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: bitmap.width * ZOOM, height: bitmap.height * ZOOM });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const link = document.createElement("a");
  Object.assign(link, { href: canvas.toDataURL("image/png"), download: `${shown.path}.png` });
  link.click();
}

find('[data-copy="link"]', HTMLButtonElement).addEventListener("click", copy);
find("[data-download]", HTMLButtonElement).addEventListener("click", () => download().catch(showError));
