/**
 * What is asked for once and then known. What failed is not remembered: it may work when it is asked for again.
 */

/**
 * @template K, T
 * @template {unknown[]} More
 * @param {(key: K, ...more: More) => Promise<T>} ask What else it is given follows from the key.
 * @param {number} most Answers that are remembered; the oldest goes first.
 * @returns {(key: K, ...more: More) => Promise<T>} Asks once for each key, and again after a failure.
 */
export function remembered(ask, most = Infinity) {
  /** @type {Map<K, Promise<T>>} */
  const known = new Map();
  return (key, ...more) => {
    const found = known.get(key);
    if (found) {
      return found;
    }
    const asked = ask(key, ...more);
    known.set(key, asked);
    if (known.size > most) {
      known.delete(/** @type {K} */ (known.keys().next().value));
    }
    asked.catch(() => known.get(key) === asked && known.delete(key));
    return asked;
  };
}

/**
 * @template T
 * @param {() => Promise<T>} ask
 * @returns {() => Promise<T>} Asks once; after a failure, again.
 */
export function once(ask) {
  const only = remembered(ask);
  return () => only(undefined);
}
