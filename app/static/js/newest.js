/**
 * The newest request wins, and none queue: while one is under way, only the last that was asked for waits.
 */

/**
 * @template T
 */
export class Newest {
  /**
   * @param {(asked: T) => Promise<void>} answer Asks and shows; its errors are the caller's to show.
   */
  constructor(answer) {
    this.answer = answer;
    /** @type {{asked: T} | null} */
    this.waiting = null;
    this.busy = false;
  }

  /** @param {T} asked */
  async ask(asked) {
    this.waiting = { asked };
    if (this.busy) {
      return;
    }
    this.busy = true;
    try {
      while (this.waiting) {
        const next = this.waiting;
        this.waiting = null;
        await this.answer(next.asked);
      }
    } finally {
      this.busy = false;
    }
  }
}
