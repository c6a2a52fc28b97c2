/**
 * One axis of a plane: which value it has at each place, by quantiles of the Gaussian that is fitted to its codes.
 */

import { ticksOf } from "../ticks.js";
import { probability, quantile } from "./normal.js";

/** Quantiles at the edges of the image that one zooms into, and of `/manifold`; app/explore/pyramid.py and planes.py. */
export const EDGES = [0.001, 0.999];
export const MANIFOLD_EDGES = [0.05, 0.95];
const FURTHEST = 8; // codes end there

/** An axis between two quantiles. */
export class PlaneAxis {
  /** @param {import("../page.js").Axis} axis @param {number[]} edges */
  constructor({ mean, std }, [low, high]) {
    this.mean = mean;
    this.std = std;
    this.low = low;
    this.high = high;
  }

  /** The share of codes below a part of the axis, by the Gaussian. @param {number} part From 0 to 1. */
  share(part) {
    return this.low + part * (this.high - this.low);
  }

  /** @param {number} part From 0, the lower end, to 1. */
  value(part) {
    return Math.max(-FURTHEST, Math.min(FURTHEST, this.mean + this.std * quantile(this.share(part))));
  }

  /** The part of the axis below a value; beyond 0 and 1 of values outside. @param {number} value */
  part(value) {
    const units = (value - this.mean) / (this.std || 1);
    return (probability(Math.max(-FURTHEST, Math.min(FURTHEST, units))) - this.low) / (this.high - this.low);
  }

  /** Round values within two parts of the axis. @param {number} from @param {number} to @param {number} wanted How many. */
  ticks(from, to, wanted) {
    const [low, high] = [this.value(from), this.value(to)];
    return low < high ? ticksOf(low, high, Math.max(1, wanted)) : [];
  }
}
