/** From what the browser shows to pixels: what is seen in the viewfinder is what is taken. */
import { type Box, clipped, type Raster } from "./raster";
import { boxOf, type Crescent, type Size } from "./region";

/** Of a gallery's photo no more is looked at: the lid alone is then far longer than what is sent. */
const MAX_PHOTO_SIDE = 2048;
const ROOM = 1.7; // times the region's width

/** The part of a video that is visible in a room which it covers (`object-fit: cover`). */
export function visibleIn(room: Size, video: Size): Box {
  if (room.width === 0 || room.height === 0) return { x: 0, y: 0, ...video };
  const scale = Math.max(room.width / video.width, room.height / video.height);
  const [width, height] = [room.width / scale, room.height / scale];
  return clipped({ x: (video.width - width) / 2, y: (video.height - height) / 2, width, height }, video.width, video.height);
}

/** Pixels of `box`, at most `maxWidth` wide. */
export function grab(source: CanvasImageSource, box: Box, maxWidth: number): Raster {
  const scale = Math.min(1, maxWidth / box.width);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
  const brush = canvas.getContext("2d", { willReadFrequently: true })!;
  brush.imageSmoothingQuality = "high";
  brush.drawImage(source, box.x, box.y, box.width, box.height, 0, 0, canvas.width, canvas.height);
  return brush.getImageData(0, 0, canvas.width, canvas.height);
}

/** A picture's pixels, upright, at most `MAX_PHOTO_SIDE` long. */
export async function pixelsOfPhoto(file: Blob): Promise<Raster> {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  try {
    const scale = Math.min(1, MAX_PHOTO_SIDE / Math.max(image.width, image.height));
    return grab(image, { x: 0, y: 0, width: image.width, height: image.height }, Math.round(image.width * scale));
  } finally {
    image.close();
  }
}

/** What of a frozen frame is shown while the region is marked: a square around it, as far as the frame goes. */
export function seenAround(crescent: Crescent, frame: Size): Box {
  const box = boxOf(crescent, frame);
  const width = Math.min(frame.width, ROOM * box.width);
  const height = Math.min(frame.height, width);
  const [x, y] = [box.x + (box.width - width) / 2, box.y + (box.height - height) / 2];
  const inside = (at: number, most: number): number => Math.round(Math.min(Math.max(0, at), most));
  return clipped({ x: inside(x, frame.width - width), y: inside(y, frame.height - height), width, height }, frame.width, frame.height);
}
