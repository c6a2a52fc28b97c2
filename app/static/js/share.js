/**
 * "Take it with you": the picture that is shown, as a link, as commands and in every format.
 */

import { announce } from "./announce.js";
import { addressOf, described, find, make, queryOf, root } from "./page.js";

/** @typedef {import("./page.js").Parameters} Parameters */

/** @type {{path: string, parameters: Parameters, formats: string[]} | null} */
let shown = null;

/** What each button copies. */
const TEXTS = {
  link,
  curl: () => `curl -o picture.png '${new URL(address(), root).href}'`,
  python: () =>
    [
      "from vitrine_client import Client",
      "",
      `with Client("${root.href.replace(/\/$/, "")}") as client:`,
      `    picture = client.render("/${address()}")`,
      'open("picture.png", "wb").write(picture.content)',
    ].join("\n"),
  command: () => `vitrine render '/${address().replaceAll("'", "%27")}' -o picture.png`,
};

/** The page's own address, of the very versions that it shows: when somebody opens it there may be newer ones. */
function link() {
  const query = new URLSearchParams(location.search);
  query.delete("model");
  const second = shown?.parameters.with;
  const pinned = { model: described.model, ...Object.fromEntries(query), ...(second ? { with: second } : {}) };
  return new URL(`${location.pathname}?${queryOf(pinned)}`, location.href).href;
}

function address(suffix = "") {
  return shown ? addressOf(`${shown.path}${suffix}`, shown.parameters) : "";
}

/**
 * Say which picture the panel is of.
 * @param {string} path Of a public address, like `samples`.
 * @param {Parameters} parameters
 * @param {string[]} formats That it comes in, the first the one that is shown.
 */
export function share(path, parameters, formats) {
  shown = { path, parameters, formats };
  const panel = find("[data-share]", HTMLElement);
  panel.hidden = false;
  const links = formats.map((format) =>
    make("a", { href: new URL(address(`.${format}`), root).href, download: `${path}.${format}`, text: format.toUpperCase() }),
  );
  find("[data-downloads]", HTMLElement, panel).replaceChildren(...links.flatMap((link) => [link, " "]));
}

/** @param {string} text */
async function copy(text) {
  const field = find("[data-copied]", HTMLElement);
  field.textContent = text;
  field.hidden = false;
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied");
  } catch {
    getSelection()?.selectAllChildren(field); // no clipboard without https: the text is there to be copied by hand
    announce("Press Ctrl+C to copy");
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const kind = /** @type {keyof typeof TEXTS} */ (/** @type {HTMLElement} */ (button).dataset.copy);
  button.addEventListener("click", () => copy(TEXTS[kind]()));
}
