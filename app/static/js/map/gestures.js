/**
 * What pointers and the wheel do on the map: drag, pinch, hover, click. All places are CSS pixels of the canvas.
 */

const STILL = 5; // CSS pixels that a click may move
const WHEEL = 0.0015; // of the zoom's logarithm, for a pixel of the wheel

/**
 * @typedef {object} Gestures
 * @property {(right: number, down: number) => void} pan
 * @property {(factor: number, right: number, down: number) => void} zoom
 * @property {(right: number, down: number) => void} hover
 * @property {(right: number, down: number, kind: string) => void} click kind: `mouse`, `touch` or `pen`.
 */

/** Pointers that are down on a canvas. */
class Pointers {
  /** @param {HTMLCanvasElement} canvas @param {Gestures} on */
  constructor(canvas, on) {
    this.on = on;
    this.canvas = canvas;
    /** @type {Map<number, {x: number, y: number}>} */
    this.down = new Map();
    this.moved = 0;
  }

  /** @param {PointerEvent} event */
  begin(event) {
    if (event.button === 0) {
      this.canvas.setPointerCapture(event.pointerId);
      this.moved = this.down.size ? Infinity : 0;
      this.down.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    }
  }

  /** @param {PointerEvent} event */
  move(event) {
    const before = this.down.get(event.pointerId);
    const now = { x: event.offsetX, y: event.offsetY };
    if (!before) {
      this.on.hover(now.x, now.y);
      return;
    }
    this.moved += Math.hypot(now.x - before.x, now.y - before.y);
    const other = [...this.down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (/** @type {{x: number, y: number}} */ at) => Math.max(1, Math.hypot(at.x - other.x, at.y - other.y));
      this.on.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      this.on.zoom(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (this.moved > STILL) {
      this.on.pan(now.x - before.x, now.y - before.y);
    }
    this.down.set(event.pointerId, now);
  }

  /** @param {PointerEvent} event */
  end(event) {
    if (this.down.delete(event.pointerId) && event.type === "pointerup" && this.moved <= STILL) {
      this.on.click(event.offsetX, event.offsetY, event.pointerType);
    }
  }
}

/** @param {HTMLCanvasElement} canvas @param {Gestures} on */
export function watch(canvas, on) {
  const pointers = new Pointers(canvas, on);
  canvas.addEventListener("pointerdown", (event) => pointers.begin(event));
  canvas.addEventListener("pointermove", (event) => pointers.move(event));
  canvas.addEventListener("pointerup", (event) => pointers.end(event));
  canvas.addEventListener("pointercancel", (event) => pointers.end(event));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
      on.zoom(Math.exp(-event.deltaY * lines * WHEEL), event.offsetX, event.offsetY);
    },
    { passive: false },
  );
}
