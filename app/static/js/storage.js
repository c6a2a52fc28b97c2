/**
 * Short texts that a browser keeps, if it does: people may forbid it, and then reading finds nothing.
 */

/** Texts by name, in one of the browser's two storages. */
class Texts {
  /** @param {"localStorage" | "sessionStorage"} kind The latter: for this tab, until it is closed. */
  constructor(kind) {
    this.kind = kind;
  }

  /** @param {string} name @returns {string | null} */
  get(name) {
    try {
      return window[this.kind].getItem(name); // where it is forbidden, the storage itself cannot be had
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {string} text @returns {boolean} Whether the browser keeps it. */
  set(name, text) {
    try {
      window[this.kind].setItem(name, text);
      return true;
    } catch {
      return false;
    }
  }

  /** Get a text, and keep it no longer. @param {string} name */
  take(name) {
    const found = this.get(name);
    if (found !== null) {
      window[this.kind].removeItem(name);
    }
    return found;
  }
}

export const ofBrowser = new Texts("localStorage");
export const ofTab = new Texts("sessionStorage");
