/** Pixels into a file small enough for one bar of 2G, and back. From a canvas, so no metadata is in it.
 *
 * The region goes without loss where it fits (WebP as Chrome writes it at quality 1, else PNG); then with little loss; then
 * smaller. Only WebP and PNG carry the alpha channel that the server reads as the region. Safari writes no WebP.
 */
import { MAX_SIDE } from "./crop";
import type { Raster } from "./raster";

/** Region and surroundings of one photo together. */
export const MAX_BYTES = 160_000;
const MAX_CONTEXT_BYTES = 40_000;
const SIDES = [1, 0.8, 0.65, 0.5].map((share) => Math.round(share * MAX_SIDE));

export interface Format {
  readonly type: "image/webp" | "image/png" | "image/jpeg";
  /** 0..1; PNG ignores it. */
  readonly quality: number;
}

const REGION: readonly Format[] = [
  { type: "image/webp", quality: 1 },
  { type: "image/png", quality: 1 },
  { type: "image/webp", quality: 0.95 },
  { type: "image/webp", quality: 0.9 },
];
const CONTEXT: readonly Format[] = [0.85, 0.7, 0.5].flatMap((quality) => [
  { type: "image/webp", quality },
  { type: "image/jpeg", quality },
]);

/** Cuts it out at most so many pixels long: to shrink what is masked already would mix the outside in. */
export type Cut = (maxSide: number) => Raster;

/** null where the browser does not write that type. */
export type Write = (raster: Raster, format: Format) => Promise<Blob | null>;

export function contextFile(cut: Cut, write: Write = onCanvas): Promise<Blob> {
  return firstThatFits(cut, CONTEXT, MAX_CONTEXT_BYTES, write);
}

/** @param beside bytes of the surroundings, which count too. */
export function regionFile(cut: Cut, beside: number, write: Write = onCanvas): Promise<Blob> {
  return firstThatFits(cut, REGION, MAX_BYTES - beside, write);
}

/** The best format at the largest size that stays within `maxBytes`. */
async function firstThatFits(cut: Cut, formats: readonly Format[], maxBytes: number, write: Write): Promise<Blob> {
  for (const side of SIDES) {
    const raster = cut(side);
    for (const format of formats) {
      const file = await write(raster, format);
      if (file !== null && file.size <= maxBytes) return file;
    }
  }
  throw new RangeError(`no size fits ${maxBytes} bytes`);
}

async function onCanvas(raster: Raster, { type, quality }: Format): Promise<Blob | null> {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [raster.width, raster.height];
  canvas.getContext("2d")!.putImageData(imageOf(raster), 0, 0);
  const file = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, type, quality));
  return file?.type === type ? file : null; // a browser that cannot write a type writes PNG instead
}

/** What the server will read in a file. */
export async function pixelsOf(file: Blob): Promise<Raster> {
  const image = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const brush = canvas.getContext("2d", { willReadFrequently: true })!;
  brush.drawImage(image, 0, 0);
  image.close();
  return brush.getImageData(0, 0, canvas.width, canvas.height);
}

export function imageOf({ data, width, height }: Raster): ImageData {
  return new ImageData(data, width, height);
}
