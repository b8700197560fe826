/** Pixels at rest: what a canvas gives, without a canvas. */
import limits from "./quality.json";

/** RGBA, four bytes a pixel, row by row. An `ImageData` is one. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** In pixels; whole numbers. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** One byte a pixel, 1 inside the region. */
export type Mask = Uint8Array<ArrayBuffer>;

/** The region as the server reads it from the alpha channel. */
export function maskOf(raster: Raster): Mask {
  const mask = new Uint8Array(raster.width * raster.height);
  for (let i = 0; i < mask.length; i++) mask[i] = raster.data[4 * i + 3]! >= limits.photo.opaque_from ? 1 : 0;
  return mask;
}

/** The smallest box that holds the region; null when there is none. */
export function tightBox(mask: Mask, width: number): Box | null {
  let left = width;
  let right = -1;
  let top = -1;
  let bottom = -1;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const x = i % width;
    const y = (i - x) / width;
    if (top < 0) top = y;
    bottom = y;
    if (x < left) left = x;
    if (x > right) right = x;
  }
  return top < 0 ? null : { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** A copy of what lies in `box`, which must lie within. */
export function cut(raster: Raster, box: Box): Raster {
  const data = new Uint8ClampedArray(4 * box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = 4 * ((box.y + y) * raster.width + box.x);
    data.set(raster.data.subarray(from, from + 4 * box.width), 4 * y * box.width);
  }
  return { width: box.width, height: box.height, data };
}

export function cutMask(mask: Mask, width: number, box: Box): Mask {
  const cutOut = new Uint8Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    const from = (box.y + y) * width + box.x;
    cutOut.set(mask.subarray(from, from + box.width), y * box.width);
  }
  return cutOut;
}

/** The part of `box` that lies within a picture of this size; at least one pixel. */
export function clipped(box: Box, width: number, height: number): Box {
  const left = Math.min(Math.max(0, Math.floor(box.x)), width - 1);
  const top = Math.min(Math.max(0, Math.floor(box.y)), height - 1);
  const right = Math.max(left + 1, Math.min(width, Math.ceil(box.x + box.width)));
  const bottom = Math.max(top + 1, Math.min(height, Math.ceil(box.y + box.height)));
  return { x: left, y: top, width: right - left, height: bottom - top };
}
