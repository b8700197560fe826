import { expect, test } from "vitest";
import { contextOf, MAX_SIDE, regionOf } from "./crop";
import { maskOf, type Raster } from "./raster";
import { boxOf, type Crescent } from "./region";

test("what is cut out is opaque inside, and nothing at all outside", () => {
  const region = regionOf(a_frame(), a_crescent());
  const mask = maskOf(region);
  expect(mask.includes(1)).toBe(true);
  for (let i = 0; i < mask.length; i++) {
    const pixel = [...region.data.subarray(4 * i, 4 * i + 4)];
    expect(pixel).toEqual(mask[i] ? [200, 100, 90, 255] : [0, 0, 0, 0]);
  }
});

test("it is never enlarged, and never longer than twice a model's input", () => {
  expect(regionOf(a_frame(), a_crescent()).width).toBe(boxOf(a_crescent(), a_frame()).width);
  const large = regionOf(a_frame(1600, 1200), { ...a_crescent(), right: { x: 1400, y: 100 } });
  expect(Math.max(large.width, large.height)).toBe(MAX_SIDE);
  expect(MAX_SIDE).toBe(448);
});

test("the same share of the box is inside at either size", () => {
  const share = (region: Raster): number => maskOf(region).reduce((sum, one) => sum + one, 0) / (region.width * region.height);
  expect(share(regionOf(a_frame(), a_crescent(), 64))).toBeCloseTo(share(regionOf(a_frame(), a_crescent())), 1);
});

test("the surroundings hold the region, more above it than below, and stay in the picture", () => {
  const [context, box] = [contextOf(a_frame(), a_crescent()), boxOf(a_crescent(), a_frame())];
  expect(context.width).toBeGreaterThan(box.width);
  expect(context.height).toBeGreaterThan(box.height + 0.6 * box.width);
  const atTheEdge = contextOf(a_frame(), { ...a_crescent(), left: { x: 0, y: 0 } });
  expect(maskOf(atTheEdge).every((inside) => inside === 1)).toBe(true);
});

function a_frame(width = 400, height = 300): Raster {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 0; i < data.length; i += 4) data.set([200, 100, 90, 255], i);
  return { width, height, data };
}

function a_crescent(): Crescent {
  return { left: { x: 100, y: 120 }, right: { x: 300, y: 120 }, upper: 20, lower: 50 };
}
