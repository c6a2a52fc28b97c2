/**
 * A picture of ours, dropped or pasted anywhere: its state comes back. Any other is offered to whoever takes images.
 */

/** @type {((files: File[]) => void) | null} */
let taker = null;

/**
 * Let a view take the images that are dropped on its page or pasted into it.
 * @param {(files: File[]) => void} take
 */
export function takeImages(take) {
  taker = take;
}

/** @param {DataTransfer | null} transfer */
function imagesOf(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}

addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) {
    event.preventDefault();
  }
});

addEventListener("drop", (event) => {
  const files = imagesOf(event.dataTransfer);
  if (files.length) {
    event.preventDefault();
    taker?.(files);
  }
});

addEventListener("paste", (event) => {
  const files = imagesOf(event.clipboardData);
  if (files.length) {
    taker?.(files);
  }
});
