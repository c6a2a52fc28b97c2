/**
 * Own images of a view, kept in this browser so that reload and "back" show them again. They belong to a tab; those of
 * tabs that are closed are deleted by the next page that keeps images, after a day.
 */

import { ofTab } from "../storage.js";

const DATABASE = "vitrine";
const STORE = "own-images";
const TAB = "vitrine-tab";
const KEPT_MILLISECONDS = 24 * 3600 * 1000;

/** @typedef {{name: string, blob: Blob}} OwnImage */
/** @typedef {{saved: number, images: OwnImage[]}} Kept */

/** What distinguishes this tab's images from another's. Fails where a tab can keep nothing. */
function tab() {
  const known = ofTab.get(TAB) ?? `${Date.now()}-${Math.floor(Math.random() * 1e9)}`;
  if (!ofTab.set(TAB, known)) {
    throw new Error("This browser keeps nothing for a tab.");
  }
  return known;
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** @param {IDBTransactionMode} mode */
async function store(mode) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await done(opening);
  const transaction = database.transaction(STORE, mode);
  transaction.oncomplete = () => database.close();
  return transaction.objectStore(STORE);
}

/** @param {IDBObjectStore} images */
async function deleteOld(images) {
  const keys = await done(images.getAllKeys());
  const all = /** @type {Kept[]} */ (await done(images.getAll()));
  all.forEach(({ saved }, i) => {
    if (Date.now() - saved > KEPT_MILLISECONDS) {
      images.delete(keys[i]);
    }
  });
}

/**
 * Keep a view's images instead of those kept before.
 * @param {string} view
 * @param {OwnImage[]} images None: nothing is kept.
 * @returns {Promise<boolean>} Whether the browser keeps them; some forbid it, and some disks are full.
 */
export async function keep(view, images) {
  try {
    const open = await store("readwrite");
    const key = `${tab()}/${view}`;
    await (images.length ? done(open.put({ saved: Date.now(), images }, key)) : done(open.delete(key)));
    await deleteOld(open);
    return true;
  } catch {
    return false;
  }
}

/**
 * Get the images that were kept, and keep them no longer.
 * @param {string} view
 */
export async function takeKept(view) {
  const images = await kept(view);
  if (images.length) {
    await keep(view, []);
  }
  return images;
}

/**
 * The images that a view kept in this tab; none if the browser forbids it.
 * @param {string} view
 * @returns {Promise<OwnImage[]>}
 */
export async function kept(view) {
  try {
    const found = await done((await store("readonly")).get(`${tab()}/${view}`));
    return found?.images ?? [];
  } catch {
    return [];
  }
}
