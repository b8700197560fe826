/** The best of a few frames in a row: the tap on the shutter shakes the phone, and a hand is never still. */
import { glance } from "./hints";
import type { Quality } from "./quality";
import type { Raster } from "./raster";

const FRAMES = 3;
const APART_MS = 120;

/** @param look one frame, as it is now */
export async function bestOf(look: () => Raster, pause: (ms: number) => Promise<void> = wait): Promise<Raster> {
  const frames = [look()];
  while (frames.length < FRAMES) {
    await pause(APART_MS);
    frames.push(look());
  }
  const judged = frames.map((frame) => ({ frame, quality: glance(frame).quality }));
  return judged.reduce((best, next) => (better(next.quality, best.quality) ? next : best)).frame;
}

function better(a: Quality, b: Quality): boolean {
  const fewer = b.reasons.length - a.reasons.length;
  return fewer === 0 ? a.sharpness > b.sharpness : fewer > 0;
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
