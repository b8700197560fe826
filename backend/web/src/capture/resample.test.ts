import { expect, test } from "vitest";
import type { Raster } from "./raster";
import { resample } from "./resample";

test("a plain mean takes each pixel once, rounded halves up", () => {
  expect(reds(resample(a_row([0, 255, 10, 11]), 2, 1, "box"))).toEqual([128, 11]);
});

test("the triangle reaches over its neighbours, as Pillow's does", () => {
  // Image.fromarray(numpy.array([[0, 0, 255, 255, 0, 90, 30]], "uint8")).resize((3, 1), Image.Resampling.BILINEAR)
  expect(reds(resample(a_row([0, 0, 255, 255, 0, 90, 30]), 3, 1, "triangle"))).toEqual([55, 170, 49]);
});

test("down is as across", () => {
  const row = resample(a_row([9, 200, 31, 77, 5]), 3, 1, "triangle");
  const column = resample({ ...a_row([9, 200, 31, 77, 5]), width: 1, height: 5 }, 1, 3, "triangle");
  expect(reds(column)).toEqual(reds(row));
});

test("the same size is the same picture", () => {
  const row = a_row([1, 2, 3]);
  expect(resample(row, 3, 1, "box").data).toEqual(row.data);
});

function a_row(levels: number[]): Raster {
  const data = new Uint8ClampedArray(levels.flatMap((level) => [level, level, level, 255]));
  return { width: levels.length, height: 1, data };
}

function reds(raster: Raster): number[] {
  return Array.from({ length: raster.width * raster.height }, (_, i) => raster.data[4 * i]!);
}
