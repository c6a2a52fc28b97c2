/**
 * Keyboard shortcuts. A view adds its own; the page of shortcuts lists them all, and a test holds it to them.
 */

import { find } from "./page.js";

/** @type {Map<string, () => void>} */
const actions = new Map();

/**
 * Let a key do something, unless somebody writes into a field.
 * @param {string} key As `KeyboardEvent.key` has it, with `ctrl+` or `shift+` in front where that is held.
 * @param {() => void} action
 */
export function onKey(key, action) {
  actions.set(key, action);
}

/** @param {EventTarget | null} target */
function writes(target) {
  return (
    target instanceof HTMLTextAreaElement ||
    target instanceof HTMLSelectElement ||
    (target instanceof HTMLInputElement && !["range", "checkbox", "radio", "button", "file"].includes(target.type))
  );
}

/** Whether the key does something by itself there: buttons, links and the like take the space bar. @param {KeyboardEvent} event */
function isTaken(event) {
  const { target } = event;
  return event.key === " " && target instanceof Element && target.closest("button, a, summary, label, input:not([type=range])") !== null;
}

addEventListener("keydown", (event) => {
  if (event.altKey || event.defaultPrevented || writes(event.target) || isTaken(event)) {
    return;
  }
  const held = event.ctrlKey || event.metaKey ? "ctrl+" : "";
  const name = `${held}${event.shiftKey && (held || event.key.length > 1) ? "shift+" : ""}${event.key.length === 1 && held ? event.key.toLowerCase() : event.key}`;
  const action = actions.get(name);
  if (action) {
    event.preventDefault();
    action();
  }
});

onKey("?", () => {
  find("a[data-shortcuts]", HTMLAnchorElement).click();
});
