/**
 * In the place of ../drop.js where there is no service: a picture that is dropped is not opened instead of the page.
 */

import { showError } from "../announce.js";

addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  showError(new Error("This page has the decoder alone: images of yours need the service."));
});
