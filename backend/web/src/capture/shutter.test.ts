import { expect, test } from "vitest";
import type { Raster } from "./raster";
import { bestOf } from "./shutter";

test("the sharpest frame is kept, wherever it came", async () => {
  for (const waves of [[3, 3, 1], [1, 3, 3], [3, 1, 3]]) {
    const frames = waves.map((wave) => a_frame(wave));
    const coming = [...frames];
    const best = await bestOf(() => coming.shift()!, async () => {});
    expect(frames.indexOf(best)).toBe(waves.indexOf(1));
  }
});

test("a frame without a fault is kept before a sharper one in the dark", async () => {
  const frames = [a_frame(1, 0.2), a_frame(1.5), a_frame(1, 0.2)];
  const coming = [...frames];
  const best = await bestOf(() => coming.shift()!, async () => {});
  expect(frames.indexOf(best)).toBe(1);
});

/** Pinkish waves of that length, in pixels. */
function a_frame(wave: number, light = 1): Raster {
  const [width, height] = [240, 320];
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    const grey = 30 * Math.sin((i % width) / wave) * Math.sin(Math.floor(i / width) / wave);
    data.set([light * (190 + grey), light * (120 + grey), light * (110 + grey), 255], 4 * i);
  }
  return { width, height, data };
}
