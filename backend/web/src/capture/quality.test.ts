import { expect, test } from "vitest";
import { judge } from "./quality";
import type { Raster } from "./raster";

test("soft texture in good light passes", () => {
  expect(judge(a_photo()).reasons).toEqual([]);
});

test("paler tissue with less contrast passes too", () => {
  expect(judge(a_photo({ contrast: 0.4, red: 215, green: 190 })).reasons).toEqual([]);
});

test("each fault has its reason", () => {
  expect(judge(a_photo({ width: 30, height: 30 })).reasons).toContain("region-too-small");
  expect(judge(a_photo({ red: 40, green: 20, contrast: 0.3 })).reasons).toContain("too-dark");
  expect(judge(a_photo({ red: 290 })).reasons).toContain("too-bright");
  expect(judge(a_photo({ shine: 0.2 })).reasons).toContain("glare");
  expect(judge(a_photo({ wave: 40, noise: 0 })).reasons).toContain("blurred");
});

test("a photo that shows nothing is refused, and so is one without a region", () => {
  expect(judge(a_photo({ contrast: 0, noise: 0 })).reasons).toEqual(["blurred"]);
  const nothing = a_photo();
  expect(judge({ ...nothing, data: nothing.data.map((value, i) => (i % 4 === 3 ? 127 : value)) }).region_pixels).toBe(0);
});

test("what lies outside the region decides nothing", () => {
  const photo = a_photo();
  const half = (outside: number): Raster => ({
    ...photo,
    data: photo.data.map((value, i) => (i % (4 * photo.width) < 2 * photo.width ? value : i % 4 === 3 ? 0 : outside)),
  });
  expect(judge(half(255))).toEqual(judge(half(0)));
  expect(judge(half(0)).region_pixels).toBe((photo.width * photo.height) / 2);
});

interface Texture {
  readonly width: number;
  readonly height: number;
  readonly red: number;
  readonly green: number;
  readonly contrast: number;
  readonly wave: number;
  readonly noise: number;
  readonly shine: number;
}

/** Pinkish, with soft waves and a little noise, neither dark nor bright nor blurred unless asked. */
function a_photo(asked: Partial<Texture> = {}): Raster {
  const texture = { width: 224, height: 96, red: 190, green: 120, contrast: 1, wave: 5, noise: 4, shine: 0, ...asked };
  const { width, height, wave } = texture;
  const data = new Uint8ClampedArray(4 * width * height);
  let seed = 1;
  const chance = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const vessels = 18 * Math.sin(x / wave + 4 * Math.sin(y / wave / 1.8)) * Math.sin(y / wave / 0.8);
    const grey = texture.contrast * vessels + 3.4 * texture.noise * chance();
    const mirrored = x < texture.shine * width;
    const colour = mirrored ? [250, 250, 250] : [texture.red + grey, texture.green + grey, texture.green - 10 + grey];
    data.set([...colour, 255], 4 * i);
  }
  return { width, height, data };
}
