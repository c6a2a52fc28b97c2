/**
 * The API reference works without this: here are the filter of the index, fields that stay empty, and copying.
 */

import { announce } from "./announce.js";
import { find, make } from "./page.js";

/** Show what has all words of the filter: in its address, its summary or the names of its parameters. */
function startFilter() {
  const panel = find("[data-filter]", HTMLElement);
  const field = find("input", HTMLInputElement, panel);
  const found = find("[data-found]", HTMLElement, panel);
  const operations = [...document.querySelectorAll("[data-operation]")].map((article) => ({
    article: /** @type {HTMLElement} */ (article),
    entry: find(`[data-entry="${/** @type {HTMLElement} */ (article).dataset.operation}"]`, HTMLElement),
    words: textOf(article),
  }));

  function filter() {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { article, entry, words: text } of operations) {
      const shown = words.every((word) => text.includes(word));
      article.hidden = entry.hidden = !shown;
      count += Number(shown);
    }
    for (const section of document.querySelectorAll("[data-section]")) {
      const empty = section.querySelector("[data-operation]:not([hidden])") === null;
      const name = /** @type {HTMLElement} */ (section).dataset.section;
      find(`[data-group="${name}"]`, HTMLElement).hidden = /** @type {HTMLElement} */ (section).hidden = empty;
    }
    found.textContent = words.length ? `${count} of ${operations.length} addresses` : "";
  }

  field.addEventListener("input", filter);
  panel.hidden = false;
  filter(); // of what the browser has kept in the field
  window.addEventListener("hashchange", () => showTarget(field, filter));
}

/**
 * What a filter looks for in an operation.
 * @param {Element} article
 */
function textOf(article) {
  const parts = article.querySelectorAll("h3, .summary, th[scope='row'] code");
  return [...parts].map((part) => part.textContent).join(" ").toLowerCase();
}

/**
 * A link to what the filter hides ends the filter.
 * @param {HTMLInputElement} field
 * @param {() => void} filter
 */
function showTarget(field, filter) {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.closest("[hidden]")) {
    field.value = "";
    filter();
    target.scrollIntoView();
  }
}

/** Fields that stay empty are not sent: the service would read them as empty values, and refuse those. */
function startForms() {
  for (const form of document.querySelectorAll("form[data-try]")) {
    const others = /** @type {HTMLFieldSetElement | null} */ (form.querySelector("[data-others]"));
    if (others) {
      others.disabled = others.hidden = false;
    }
    form.addEventListener("formdata", (event) => {
      const { formData } = /** @type {FormDataEvent} */ (event);
      for (const [name, value] of [...formData]) {
        if (value === "") {
          formData.delete(name);
        }
      }
    });
  }
}

function startCopying() {
  for (const lines of document.querySelectorAll("pre[data-copied]")) {
    const title = lines.previousElementSibling?.textContent ?? "";
    const owner = lines.closest("[data-operation]")?.querySelector("h3")?.textContent ?? "";
    const button = make("button", { type: "button", text: "Copy", "aria-label": `Copy ${title} for ${owner}` });
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(lines.textContent ?? "");
        announce("Copied");
        button.textContent = "Copied";
      } catch {
        getSelection()?.selectAllChildren(lines); // no clipboard without https
        announce("Press Ctrl+C to copy");
      }
    });
    const frame = make("div", { class: "copyable" });
    lines.replaceWith(frame);
    frame.append(lines, button);
  }
}

startFilter();
startForms();
startCopying();
