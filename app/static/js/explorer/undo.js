/**
 * Undo and redo: what was shown, one step after the other.
 */

const MOST = 200;

/** Steps that can be gone back and forth. What is noted after going back takes the place of what came then. */
export class Undo {
  constructor() {
    /** @type {string[]} */
    this.steps = [];
    this.now = -1;
  }

  /**
   * Note what is shown; if that is a step away already, the browser went back or forward, and so does this.
   * @param {string} shown
   */
  note(shown) {
    const near = [0, -1, 1].find((away) => this.steps[this.now + away] === shown);
    if (near !== undefined) {
      this.now += near;
      return;
    }
    this.steps = [...this.steps.slice(0, this.now + 1), shown].slice(-MOST);
    this.now = this.steps.length - 1;
  }

  /**
   * @param {-1 | 1} by
   * @returns {string | null} What to show instead; null: there is nothing.
   */
  go(by) {
    const found = this.steps[this.now + by];
    if (found === undefined) {
      return null;
    }
    this.now += by;
    return found;
  }

  get canUndo() {
    return this.now > 0;
  }

  get canRedo() {
    return this.now < this.steps.length - 1;
  }
}
