/**
 * Where the images of a map lie, and which of them are in a rectangle or near a place: a grid of equal cells.
 */

const IN_A_CELL = 4; // images on average

/** @typedef {{left: number, bottom: number, right: number, top: number}} Bounds */

/** Places of images, x to the right and y upwards. */
export class Places {
  /** @param {Float32Array} positions (N, 2), row by row. */
  constructor(positions) {
    this.positions = positions;
    this.count = positions.length / 2;
    this.bounds = boundsOf(positions);
    const { left, right, bottom, top } = this.bounds;
    this.side = Math.sqrt(((right - left) * (top - bottom) * IN_A_CELL) / this.count);
    this.columns = Math.floor((right - left) / this.side) + 1;
    this.rows = Math.floor((top - bottom) / this.side) + 1;
    this.index();
  }

  /** Sort the images by cell: those of cell c are `order` from `starts[c]` to `starts[c + 1]`, by rising number. */
  index() {
    const cells = new Int32Array(this.count);
    this.starts = new Int32Array(this.columns * this.rows + 1);
    for (let k = 0; k < this.count; k++) {
      cells[k] = this.row(this.y(k)) * this.columns + this.column(this.x(k));
      this.starts[cells[k] + 1]++;
    }
    for (let c = 0; c < this.columns * this.rows; c++) {
      this.starts[c + 1] += this.starts[c];
    }
    const next = this.starts.slice();
    this.order = new Int32Array(this.count);
    for (let k = 0; k < this.count; k++) {
      this.order[next[cells[k]]++] = k;
    }
  }

  /** @param {number} k */
  x(k) {
    return this.positions[2 * k];
  }

  /** @param {number} k */
  y(k) {
    return this.positions[2 * k + 1];
  }

  /** @param {number} x */
  column(x) {
    return Math.min(this.columns - 1, Math.max(0, Math.floor((x - this.bounds.left) / this.side)));
  }

  /** @param {number} y */
  row(y) {
    return Math.min(this.rows - 1, Math.max(0, Math.floor((y - this.bounds.bottom) / this.side)));
  }

  /**
   * The images in a rectangle, in their order, so that whatever overlaps does so the same way in every part.
   * @param {Bounds} area
   * @param {(k: number) => boolean} accepts
   */
  within({ left, bottom, right, top }, accepts) {
    const found = [];
    const order = /** @type {Int32Array} */ (this.order);
    const starts = /** @type {Int32Array} */ (this.starts);
    for (let row = this.row(bottom); row <= this.row(top); row++) {
      const from = starts[row * this.columns + this.column(left)];
      const to = starts[row * this.columns + this.column(right) + 1];
      for (let i = from; i < to; i++) {
        const k = order[i];
        const [x, y] = [this.positions[2 * k], this.positions[2 * k + 1]];
        if (x >= left && x <= right && y >= bottom && y <= top && accepts(k)) {
          found.push(k);
        }
      }
    }
    return found.sort((a, b) => a - b);
  }

  /**
   * The image nearest to a place, no further than a distance; -1: none is.
   * @param {number} x
   * @param {number} y
   * @param {number} distance
   * @param {(k: number) => boolean} accepts
   */
  nearest(x, y, distance, accepts) {
    const area = { left: x - distance, right: x + distance, bottom: y - distance, top: y + distance };
    let [nearest, best] = [-1, distance];
    for (const k of this.within(area, accepts)) {
      const apart = Math.hypot(this.x(k) - x, this.y(k) - y);
      if (apart <= best) {
        [nearest, best] = [k, apart];
      }
    }
    return nearest;
  }

  /**
   * The next image in a direction: near, and not far off to either side; -1: none.
   * @param {number} from Image where to begin.
   * @param {number} right 1, 0 or -1.
   * @param {number} up 1, 0 or -1.
   * @param {(k: number) => boolean} accepts
   */
  next(from, right, up, accepts) {
    let [found, best] = [-1, Infinity];
    for (let k = 0; k < this.count; k++) {
      const [dx, dy] = [this.x(k) - this.x(from), this.y(k) - this.y(from)];
      const ahead = dx * right + dy * up;
      const aside = Math.abs(dx * up) + Math.abs(dy * right);
      const cost = ahead + 2 * aside;
      if (ahead > 0 && aside <= ahead && cost < best && accepts(k)) {
        [found, best] = [k, cost];
      }
    }
    return found;
  }
}

/** @param {Float32Array} positions @returns {Bounds} Never empty, also of a single place. */
function boundsOf(positions) {
  const bounds = { left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  for (let i = 0; i < positions.length; i += 2) {
    bounds.left = Math.min(bounds.left, positions[i]);
    bounds.right = Math.max(bounds.right, positions[i]);
    bounds.bottom = Math.min(bounds.bottom, positions[i + 1]);
    bounds.top = Math.max(bounds.top, positions[i + 1]);
  }
  const least = Math.max(bounds.right - bounds.left, bounds.top - bounds.bottom, 1e-3) / 100;
  for (const [low, high] of /** @type {["left" | "bottom", "right" | "top"][]} */ ([["left", "right"], ["bottom", "top"]])) {
    const grow = Math.max(0, least - (bounds[high] - bounds[low])) / 2;
    bounds[low] -= grow;
    bounds[high] += grow;
  }
  return bounds;
}
