/**
 * The images of the map that an image's code is nearest to, cut out of the map's sprite sheet.
 */

import { ask, askJson } from "../ask.js";
import { contextOf } from "../images/odd.js";
import { described, make, urlOf } from "../page.js";
import { once } from "../remembered.js";
import { written } from "./words.js";

/** @typedef {{map: number, class: string | null, distance: number}} Near */

/** All images of the map in one picture. */
const sprites = once(async () => {
  const image = new Image();
  image.src = URL.createObjectURL(await (await ask(urlOf("map.webp", { show: "sprites" }))).blob());
  await image.decode();
  return image;
});

/** @param {HTMLImageElement} all @param {Near} near */
function figureOf(all, near) {
  const [height, width] = described.shape;
  const columns = all.naturalWidth / width;
  const context = contextOf(width, height);
  const [x, y] = [(near.map % columns) * width, Math.floor(near.map / columns) * height];
  context.drawImage(all, x, y, width, height, 0, 0, width, height);
  const words = `${near.class ?? `Image ${near.map}`}, at distance ${written(near.distance)}`;
  const picture = make("img", { class: "picture", src: context.canvas.toDataURL(), width, height, alt: words });
  return make("figure", {}, picture, make("figcaption", { text: words }));
}

/**
 * A part of a card that finds the nearest images when it is opened; null: the model has no map.
 * @param {{blob: Blob | null, name: string}} item
 * @param {string} invert
 * @param {() => Promise<Blob>} blobOf Of an item without one.
 */
export function nearestOf(item, invert, blobOf) {
  if (!described.map) {
    return null;
  }
  const shown = make("div", { class: "stages", "aria-live": "polite" });
  const details = make("details", {}, make("summary", { text: "The nearest images of the test set" }), shown);
  const find = async () => {
    const body = new FormData();
    body.append("file", item.blob ?? (await blobOf()), item.name);
    const answer = await askJson(urlOf("encode.json", { invert }), { method: "POST", body });
    const all = await sprites();
    shown.replaceChildren(...answer.images[0].nearest_on_map.map((/** @type {Near} */ near) => figureOf(all, near)));
  };
  details.addEventListener("toggle", () => {
    if (details.open && !shown.querySelector("figure, .hint")) {
      shown.replaceChildren(make("p", { class: "hint", text: "Asking …" }));
      find().catch((error) => shown.replaceChildren(make("p", { class: "fault", text: `${error.message} Close this and open it to ask again.` })));
    }
  });
  return details;
}
