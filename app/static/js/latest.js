/**
 * The latest request alone counts: what was asked before is aborted, and neither its answer nor its error is shown.
 *
 * `Newest` lets a request end before the next begins, for pictures that follow a slider. Here the next begins at once.
 */

/**
 * Whether an error says that a request no longer counts.
 * @param {unknown} error
 */
export function isAborted(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/** Requests of one kind, each of which takes the place of the one before. */
export class Latest {
  constructor() {
    this.underway = new AbortController();
  }

  /** No request counts any more. */
  stop() {
    this.underway.abort();
  }

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} request Is told by the signal that another took its place.
   * @returns {Promise<T>} Fails with an AbortError then, whatever the request came to; `showError` passes over it.
   */
  async ask(request) {
    this.stop();
    this.underway = new AbortController();
    const { signal } = this.underway;
    try {
      return await request(signal);
    } finally {
      signal.throwIfAborted();
    }
  }
}
