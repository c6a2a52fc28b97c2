/**
 * What the page says of itself: the service's root, the model that it shows, and addresses built from both.
 */

/**
 * @typedef {object} Axis A latent axis under the aggregate posterior.
 * @property {number} kl Information about an image, in nats.
 * @property {number} mean
 * @property {number} std
 * @property {Record<string, number>} quantiles By probability, as text.
 */

/**
 * @typedef {object} MapDescribed The map of the test set.
 * @property {number} images
 * @property {number} columns Of the sprite sheet.
 * @property {string} method `z_mean`: places are codes; or `t-sne`.
 * @property {boolean} on_white Whether the ground of images is white.
 * @property {string} most Colour of the most images at a place; of fewer it is nearer to the ground.
 * @property {{name: string, colour: string}[]} classes Empty: images have none.
 */

/**
 * @typedef {object} Described What the page knows of its model; `described` in app/http/views.py.
 * @property {string} model Pinned reference, for addresses that never change.
 * @property {string} name NAME@VERSION, for people.
 * @property {string} page Address of the model's page.
 * @property {Record<string, string>} models Pinned reference of each model's newest version -> its name.
 * @property {number[]} shape Height, width, and 3 if in colour.
 * @property {"dark" | "light"} ink
 * @property {"dark" | "light" | null} polarity
 * @property {Axis[]} axes Empty where the view does without.
 * @property {string} prior
 * @property {("density" | "linear" | "slerp")[]} paths Ways between two points, the one that is shown first in front.
 * @property {string[]} classes
 * @property {{axis: number, steps: number}} walk
 * @property {"mean" | "draw"} samples_render What samples show unless they are asked for the other.
 * @property {number} examples
 * @property {MapDescribed | null} map
 * @property {{k: number, images: number} | null} scores
 * @property {{images: number, steps: number, draws: number, upload_bytes: number, upload_images: number}} limits
 * @property {Exported} [exported] Of a page without a service.
 */

/**
 * @typedef {object} Exported Where a page without a service has its files, from the root.
 * @property {Record<string, string>} pages By the name of a view.
 * @property {string} litert The module of LiteRT.js.
 * @property {string} loader The script of its WebAssembly.
 * @property {string} wasm
 * @property {string} model The decoder's flatbuffer.
 */

/** @typedef {Record<string, string | number | boolean | null | undefined>} Parameters Of an address; null: left out. */

const data = document.getElementById("described");

/** The model of this page. Pages of documents have none. */
export const described = /** @type {Described} */ (data ? JSON.parse(data.textContent ?? "") : null);

/** The service's root, as an absolute URL that ends in a slash. */
export const root = new URL(document.body.dataset.up ?? "./", document.baseURI);

/**
 * The text of a query string; what the grammar of points needs stays readable.
 * @param {Parameters} parameters
 */
export function queryOf(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.map(([name, value]) => `${name}=${readable(String(value))}`).join("&");
}

/** @param {string} value */
function readable(value) {
  return encodeURIComponent(value).replace(/%(2C|3A|2F|7E|3B|2A|40)/g, (escaped) => decodeURIComponent(escaped));
}

/**
 * The address of a picture of this page's model, from the root, as people and programs write it.
 * @param {string} path Without a slash in front, like `samples.webp`.
 * @param {Parameters} parameters
 */
export function addressOf(path, parameters) {
  return `${path}?${queryOf({ model: described.model, ...parameters })}`;
}

/**
 * The URL of a picture of this page's model.
 * @param {string} path
 * @param {Parameters} parameters
 */
export function urlOf(path, parameters) {
  return new URL(addressOf(path, parameters), root).href;
}

/**
 * The URL of a view of this page's model.
 * @param {string} view Its path without a slash in front, like `explorer`.
 * @param {Parameters} parameters
 */
export function viewUrl(view, parameters) {
  return urlOf(described.exported?.pages[view] ?? view, parameters);
}

/**
 * Find an element that the template promises.
 * @template {Element} E
 * @param {string} selector
 * @param {new () => E} type
 * @param {ParentNode} within
 * @returns {E}
 */
export function find(selector, type, within = document) {
  const found = within.querySelector(selector);
  if (!(found instanceof type)) {
    throw new Error(`expected ${type.name} at ${selector}`);
  }
  return found;
}

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {Record<string, string | number | boolean | null | undefined>} attributes `text` is its text; false and null are left out.
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") {
      made.textContent = String(value);
    } else if (value === true) {
      made.setAttribute(key, "");
    } else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(key, String(value));
    }
  }
  made.append(...children);
  return made;
}
