/**
 * A view's state, which lives in the page's address: it survives reload, back and forward, and a copied link.
 */

import { queryOf } from "./page.js";

/** @typedef {Record<string, string>} Values By name; what is at its default is not in the address. */

/** A view's state. Whoever changes it says whether that is a step of its own, to which "back" returns. */
export class State {
  /**
   * @param {Values} defaults Every name that the view knows, with its value if the address does not say it.
   * @param {(values: Values) => void} show Called with all values whenever they change, also by back and forward.
   */
  constructor(defaults, show) {
    this.defaults = defaults;
    this.show = show;
    this.values = this.read();
    addEventListener("popstate", () => {
      this.values = this.read();
      this.show(this.values);
    });
  }

  /** @returns {Values} What the address says. */
  read() {
    const query = new URLSearchParams(location.search);
    return Object.fromEntries(Object.entries(this.defaults).map(([name, value]) => [name, query.get(name) ?? value]));
  }

  /**
   * Change some values and show them.
   * @param {Values} changes
   * @param {{step?: boolean}} how step: "back" returns to the values before. Else they are replaced, as while a slider moves.
   */
  set(changes, { step = true } = {}) {
    const before = this.address();
    this.values = { ...this.values, ...changes };
    const address = this.address();
    if (address !== before) {
      history[step ? "pushState" : "replaceState"](null, "", address);
    }
    this.show(this.values);
  }

  /** The page's address with these values; other parameters, like the model, stay. */
  address(values = this.values) {
    const kept = Object.fromEntries(
      [...new URLSearchParams(location.search)].filter(([name]) => !(name in this.defaults)),
    );
    const own = Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== this.defaults[name]));
    const query = queryOf({ ...kept, ...own });
    return `${location.pathname}${query && `?${query}`}`;
  }
}
