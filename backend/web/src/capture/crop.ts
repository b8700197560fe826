/** What is cut out of the frame to be sent: the masked region, and, for training, the eyelid and eyeball around it. */
import limits from "./quality.json";
import { type Box, clipped, cut, type Raster } from "./raster";
import { boxOf, type Crescent, maskIn, placed } from "./region";
import { resample } from "./resample";

/** Twice a model's input: more is paid for by the byte and seen by nobody. */
export const MAX_SIDE = 2 * limits.input_side_pixels;

/** The region, opaque inside and fully transparent outside, at most `maxSide` pixels long; never enlarged. */
export function regionOf(frame: Raster, crescent: Crescent, maxSide = MAX_SIDE): Raster {
  const box = boxOf(crescent, frame);
  const small = shrunk(cut(frame, box), maxSide);
  const scale = small.width / box.width;
  const drawn = placed(crescent, scale, -box.x * scale, -box.y * scale);
  const mask = maskIn(drawn, { x: 0, y: 0, width: small.width, height: small.height });
  const data = new Uint8ClampedArray(small.data.length);
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    data.set(small.data.subarray(4 * i, 4 * i + 3), 4 * i);
    data[4 * i + 3] = 255;
  }
  return { width: small.width, height: small.height, data };
}

/** The region's surroundings, opaque: as much eyeball above it as it is long by half, some skin below and beside. */
export function contextOf(frame: Raster, crescent: Crescent, maxSide = MAX_SIDE): Raster {
  return shrunk(cut(frame, around(boxOf(crescent, frame), frame)), maxSide);
}

function around(box: Box, frame: Raster): Box {
  const [above, below, beside] = [0.5 * box.width, 0.2 * box.width, 0.12 * box.width];
  const wide = { x: box.x - beside, y: box.y - above, width: box.width + 2 * beside, height: box.height + above + below };
  return clipped(wide, frame.width, frame.height);
}

/** No longer than that, in its proportions. */
export function shrunk(raster: Raster, maxSide: number): Raster {
  const scale = maxSide / Math.max(raster.width, raster.height);
  if (scale >= 1) return raster;
  const [width, height] = [raster.width, raster.height].map((side) => Math.max(1, Math.round(side * scale)));
  return resample(raster, width!, height!, "triangle");
}
