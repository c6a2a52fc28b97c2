/**
 * The plane as an image that one zooms into: OpenSeadragon over the addresses of the IIIF Image API.
 */

/** @typedef {{x: number, y: number}} Place In parts of the image's sides, from its upper left corner. */

/** @returns {any} What the script of OpenSeadragon left; its package brings no types of this form. */
function library() {
  return /** @type {any} */ (globalThis).OpenSeadragon;
}

/**
 * Keep OpenSeadragon from adding a stylesheet within the page, which the page's policy forbids: it adds none where
 * it finds an element of this name. Ours has no namespace that a browser would style by.
 */
function forestallStyles() {
  const mark = document.createElementNS("urn:vitrine", "style");
  mark.setAttribute("data-openseadragon-mobile-css", "");
  document.head.append(mark);
}

/** Images of a plane that was left come late, and are rightly passed over: no word about each of them. */
function withoutLateWords() {
  const warn = (/** @type {unknown[]} */ ...words) => {
    if (!String(words[0]).startsWith("Ignoring tile")) {
      console.warn(...words);
    }
  };
  library().console = Object.assign(Object.create(console), { warn });
}

/** Shows a plane; tells where somebody clicks and where the view comes to rest. */
export class Viewer {
  /**
   * @param {HTMLElement} element
   * @param {(place: Place) => void} onPlace A click, or Enter: the middle of the view.
   * @param {(view: {zoom: number, x: number, y: number}) => void} onView
   * @param {() => void} onMove What is seen has changed.
   */
  constructor(element, onPlace, onView, onMove) {
    forestallStyles();
    withoutLateWords();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.shown = library()({
      element,
      drawer: "canvas",
      showNavigationControl: false,
      animationTime: still ? 0 : 0.4,
      blendTime: 0,
      imageSmoothingEnabled: false,
      minPixelRatio: 1, // a pixel of an image has one of the screen at least: smaller ones say little
      visibilityRatio: 0.8,
      minZoomImageRatio: 0.8,
      maxZoomPixelRatio: 6,
      crossOriginPolicy: false,
      gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
      gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: true },
    });
    this.shown.addHandler("canvas-click", (/** @type {any} */ event) => {
      if (event.quick) {
        const { x, y } = this.shown.viewport.pointFromPixel(event.position);
        if (x >= 0 && x <= 1 && y >= 0 && y <= 1) {
          onPlace({ x, y });
        }
      }
    });
    this.shown.addHandler("update-viewport", onMove);
    this.shown.addHandler("animation-finish", () => onView(this.view()));
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target instanceof HTMLElement) {
        onPlace(this.middle());
      }
    });
  }

  /** The middle of what is seen, within the image. @returns {Place} */
  middle() {
    const { x, y } = this.shown.viewport.getCenter();
    return { x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) };
  }

  /**
   * Where the image's sides are seen, and how much is: CSS pixels.
   * @returns {{left: number, top: number, width: number, height: number, seen: {width: number, height: number}}}
   */
  box() {
    const { Point } = library();
    const [start, end] = [new Point(0, 0), new Point(1, 1)].map((point) => this.shown.viewport.pixelFromPoint(point, true));
    const { x: width, y: height } = this.shown.viewport.getContainerSize();
    return { left: start.x, top: start.y, width: end.x - start.x, height: end.y - start.y, seen: { width, height } };
  }

  view() {
    return { zoom: this.shown.viewport.getZoom(), ...this.middle() };
  }

  /**
   * Open a plane.
   * @param {string} address Of its `info.json`.
   * @returns {Promise<void>} When it is there, or another that was opened in its place.
   */
  open(address) {
    return new Promise((resolve, reject) => {
      const end = () => {
        this.shown.removeHandler("open", opened);
        this.shown.removeHandler("open-failed", failed);
      };
      const opened = () => {
        end();
        resolve();
      };
      const failed = () => {
        end();
        reject(new Error("The plane cannot be shown. Choose its axes again, or reload the page."));
      };
      this.shown.addHandler("open", opened);
      this.shown.addHandler("open-failed", failed);
      this.shown.open(address);
    });
  }

  /** @param {{zoom: number, x: number, y: number}} view */
  look({ zoom, x, y }) {
    this.shown.viewport.zoomTo(zoom, undefined, true);
    this.shown.viewport.panTo(new (library().Point)(x, y), true);
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.shown.viewport.zoomBy(factor);
    this.shown.viewport.applyConstraints();
  }

  home() {
    this.shown.viewport.goHome();
  }

  /**
   * Lay colours over all of the plane, so that what it shows has them for its ground; null: take them away.
   * @param {string | null} url Of a picture of them.
   * @param {boolean} onWhite Whether the ground of images is white.
   */
  cover(url, onWhite) {
    const world = this.shown.world;
    while (world.getItemCount() > 1) {
      world.removeItem(world.getItemAt(1));
    }
    if (url) {
      this.shown.addSimpleImage({ url, x: 0, y: 0, width: 1, compositeOperation: onWhite ? "multiply" : "screen" });
    }
  }
}
