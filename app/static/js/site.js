/**
 * What every page has: the scheme of colours, the choice of a model, keys, and pictures that are dropped anywhere.
 */

import "./drop.js";
import "./keys.js";
import { find } from "./page.js";
import { ofBrowser } from "./storage.js";

const SCHEMES = ["light", "dark"];

/** The scheme that is shown: chosen here before, or the system's. */
function scheme() {
  const chosen = document.documentElement.dataset.scheme ?? "";
  return SCHEMES.includes(chosen) ? chosen : matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** The scheme that is chosen is kept; where that is forbidden, it lasts for the page. */
function startScheme() {
  const button = find("[data-theme-switch]", HTMLButtonElement);
  const chosen = ofBrowser.get("scheme");
  if (chosen && SCHEMES.includes(chosen)) {
    document.documentElement.dataset.scheme = chosen;
  }
  const say = () => {
    button.textContent = scheme() === "dark" ? "Light" : "Dark";
  };
  button.addEventListener("click", () => {
    const next = scheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.scheme = next;
    ofBrowser.set("scheme", next);
    say();
  });
  button.hidden = false;
  say();
}

function startModelChoice() {
  for (const form of document.querySelectorAll("form.choose-model")) {
    form.addEventListener("change", () => /** @type {HTMLFormElement} */ (form).submit());
  }
}

startScheme();
startModelChoice();
