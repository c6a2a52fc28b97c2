/**
 * From a picture's recipe back to the view and the state that show it.
 */

import { queryOf, root } from "./page.js";

/** @typedef {{address?: string, model?: string, path?: string, image?: number}} Recipe What a picture of ours says. */
/** @typedef {Record<string, string>} Query Of the address that made it. */

/** @param {string} points @param {number} k */
function pointOf(points, k) {
  return points.split(";")[k] ?? points.split(";")[0];
}

/**
 * What the explorer needs beside the code to show a draw again.
 * @param {Query} query Of `/samples`.
 * @param {number} k Number of the image.
 * @returns {Query}
 */
function drawOf({ seed, render = "" }, k) {
  return render === "draw" ? { render, noise: `${seed}/${k}` } : {};
}

/** By path: the view, and its parameters. @type {Record<string, (query: Query, image: number) => [string, Query]>} */
const VIEWS = {
  "/samples": (query, image) => {
    const { seed, label = "", temperature = "1", render = "", offset = "0", n, of } = query;
    const k = Number(offset) + Math.max(image, 0);
    if (of) {
      return ["explorer", { at: of, ...(Number(temperature) === 0 ? drawOf(query, k) : {}) }];
    }
    const plain = !label && Number(temperature) === 1;
    if (plain && (n === "1" || image >= 0)) {
      return ["explorer", { at: `seed:${seed}/${k}`, ...drawOf(query, k) }];
    }
    const others = { label, render, offset: offset === "0" ? "" : offset };
    return ["", { seed, temperature: Number(temperature) === 1 ? "" : String(Number(temperature)), ...others }];
  },
  "/decode": ({ points }, image) => ["explorer", { at: pointOf(points, Math.max(image, 0)) }],
  "/interpolate": ({ from, to, at, seed, z, path = "" }) =>
    from ? ["explorer", { at: from, to, path }] : ["explorer", { at: at ?? (seed ? `seed:${seed}` : z ? `z:${z}` : "centre") }],
  "/axes": ({ at }) => ["explorer", { at }],
  "/directions": ({ at, plus, minus }) => ["explorer", { at, plus, minus }],
  "/manifold": ({ x, y, at }) => ["plane", { x, y, at }],
  "/map": () => ["test-set", {}],
  "/reconstruct": () => ["reconstructions", {}],
  "/score": () => ["reconstructions", {}],
  "/complete": ({ n, k, seed, render }) => ["completions", { n, k, seed, render }],
  "/compare": (query) => ["comparison", { with: query.with, points: query.points }],
};

/** @param {Record<string, string | undefined>} query @returns {Query} */
function given(query) {
  return Object.fromEntries(Object.entries(query).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

/** The path and the query of an address that anybody can have written into a file; null: it is none. @param {string} text */
function addressOf(text) {
  try {
    const { pathname, searchParams } = new URL(text, root);
    return { path: decodeURIComponent(pathname), query: /** @type {Query} */ (Object.fromEntries(searchParams)) };
  } catch {
    return null;
  }
}

/**
 * The page that shows what a recipe made; null: no view does.
 * @param {Recipe} recipe
 * @returns {string | null} A URL.
 */
export function viewOf(recipe) {
  const address = recipe.address ? addressOf(recipe.address) : null;
  if (!address) {
    return null;
  }
  const { path, query } = address;
  const part = /^\/manifold\/([^/;]+)((?:;[^/]*)?)\//.exec(path);
  if (part) {
    const own = Object.fromEntries(new URLSearchParams(part[2].replaceAll(";", "&")));
    return new URL(`plane?${queryOf({ model: part[1], ...own })}`, root).href;
  }
  const shown = recipe.path ?? path;
  if (!Object.hasOwn(VIEWS, shown)) {
    return null;
  }
  const [view, parameters] = VIEWS[shown](query, recipe.image ?? -1);
  return new URL(`${view || "./"}?${queryOf({ model: query.model, ...given(parameters) })}`, root).href;
}
