/** Resizing, bit by bit as Pillow does it, which the server uses: a canvas does it otherwise on each phone.
 *
 * Each pixel of the result is a weighted mean of those it came from; first across, then down, rounded to bytes between.
 * Weights are whole numbers of 22 bits, so sums are exact. After libImaging/Resample.c.
 */
import type { Raster } from "./raster";

/** `box`: plain mean. `triangle`: Pillow's BILINEAR, widened when it shrinks. */
export type Kernel = "box" | "triangle";

const ONE = 1 << 22;
const REACH: Record<Kernel, number> = { box: 0.5, triangle: 1 };

interface Weights {
  /** Of each pixel of the result: the first that counts, and by how much it and those after it do. */
  readonly first: Int32Array;
  readonly shares: readonly Float64Array[];
}

/** The picture at another size; alpha is resized as a colour is. */
export function resample(raster: Raster, width: number, height: number, kernel: Kernel): Raster {
  return down(across(raster, width, kernel), height, kernel);
}

function across(raster: Raster, width: number, kernel: Kernel): Raster {
  if (width === raster.width) return raster;
  const { first, shares } = weights(raster.width, width, kernel);
  const from = raster.data;
  const data = new Uint8ClampedArray(4 * width * raster.height);
  for (let y = 0, put = 0; y < raster.height; y++) {
    for (let x = 0; x < width; x++, put += 4) {
      const share = shares[x]!;
      let red = ONE / 2;
      let green = ONE / 2;
      let blue = ONE / 2;
      let alpha = ONE / 2;
      let at = 4 * (y * raster.width + first[x]!);
      for (let k = 0; k < share.length; k++, at += 4) {
        const weight = share[k]!;
        red += weight * from[at]!;
        green += weight * from[at + 1]!;
        blue += weight * from[at + 2]!;
        alpha += weight * from[at + 3]!;
      }
      data[put] = Math.floor(red / ONE);
      data[put + 1] = Math.floor(green / ONE);
      data[put + 2] = Math.floor(blue / ONE);
      data[put + 3] = Math.floor(alpha / ONE);
    }
  }
  return { width, height: raster.height, data };
}

function down(raster: Raster, height: number, kernel: Kernel): Raster {
  if (height === raster.height) return raster;
  const { first, shares } = weights(raster.height, height, kernel);
  const row = 4 * raster.width;
  const data = new Uint8ClampedArray(row * height);
  const sums = new Float64Array(row);
  for (let y = 0; y < height; y++) {
    const share = shares[y]!;
    sums.fill(ONE / 2);
    for (let k = 0; k < share.length; k++) {
      const from = (first[y]! + k) * row;
      const weight = share[k]!;
      for (let i = 0; i < row; i++) sums[i]! += weight * raster.data[from + i]!;
    }
    for (let i = 0; i < row; i++) data[y * row + i] = Math.floor(sums[i]! / ONE);
  }
  return { width: raster.width, height, data };
}

function weights(from: number, to: number, kernel: Kernel): Weights {
  const scale = from / to;
  const wide = Math.max(1, scale);
  const reach = REACH[kernel] * wide;
  const first = new Int32Array(to);
  const shares: Float64Array[] = [];
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const end = Math.min(from, Math.trunc(centre + reach + 0.5));
    const raw = Float64Array.from({ length: end - start }, (_, k) => weightAt((k + start - centre + 0.5) / wide, kernel));
    const sum = raw.reduce((total, weight) => total + weight, 0);
    first[i] = start;
    shares.push(raw.map((weight) => Math.floor(0.5 + (weight / sum) * ONE)));
  }
  return { first, shares };
}

function weightAt(distance: number, kernel: Kernel): number {
  if (kernel === "box") return distance > -0.5 && distance <= 0.5 ? 1 : 0;
  return Math.max(0, 1 - Math.abs(distance));
}
