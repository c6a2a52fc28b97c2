/**
 * What every page has: the scheme of colours, the choice of a model, keys, and pictures that are dropped anywhere.
 */

import "./drop.js";
import "./keys.js";
import { find } from "./page.js";

const SCHEMES = ["light", "dark"];

/** The scheme that is shown: chosen here before, or the system's. */
function scheme() {
  const chosen = document.documentElement.dataset.scheme ?? "";
  return SCHEMES.includes(chosen) ? chosen : matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** Storage may be forbidden; the choice then lasts for the page. */
function stored() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

function startScheme() {
  const button = find("[data-theme-switch]", HTMLButtonElement);
  const chosen = stored()?.getItem("scheme");
  if (chosen && SCHEMES.includes(chosen)) {
    document.documentElement.dataset.scheme = chosen;
  }
  const say = () => {
    button.textContent = scheme() === "dark" ? "Light" : "Dark";
  };
  button.addEventListener("click", () => {
    const next = scheme() === "dark" ? "light" : "dark";
    document.documentElement.dataset.scheme = next;
    stored()?.setItem("scheme", next);
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
