/**
 * Requests to the service, and its refusals in words.
 */

import { isAborted } from "./latest.js";

/** A refusal of the service: `application/problem+json`, in one sentence for people. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {{title?: string, detail?: string, errors?: {parameter: string, expected: string, received: string, remedy: string, code: string}[]}} problem
   */
  constructor(status, problem) {
    super(problem.detail || problem.title || `The service answered with status ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

/**
 * Ask, and fail with what the service says.
 * @param {string} url
 * @param {RequestInit} options
 * @returns {Promise<Response>}
 */
export async function ask(url, options = {}) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (isAborted(error)) {
      throw error;
    }
    throw new Error("The service does not answer. Is it still running?");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Refusal(answer.status, problem);
  }
  return answer;
}

/**
 * @param {string} url
 * @param {RequestInit} options
 * @returns {Promise<any>}
 */
export async function askJson(url, options = {}) {
  return (await ask(url, options)).json();
}

/**
 * Show a picture in an element that is there already, once it is decoded, so that nothing flickers.
 * @param {HTMLImageElement} image
 * @param {string} url
 * @param {AbortSignal} [signal] Aborted: the picture is not shown.
 */
export async function showPicture(image, url, signal) {
  const answer = await ask(url, { signal });
  const source = URL.createObjectURL(await answer.blob());
  const loaded = new Image();
  loaded.src = source;
  await loaded.decode();
  signal?.throwIfAborted();
  const before = image.src;
  image.src = source;
  if (before.startsWith("blob:")) {
    URL.revokeObjectURL(before);
  }
}

/**
 * The content of a `data:` URL in base64. The page's policy lets nothing be fetched but from the service.
 * @param {string} url
 */
export function blobOf(url) {
  const [head, encoded] = url.split(",");
  const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: head.slice("data:".length, head.indexOf(";")) });
}
