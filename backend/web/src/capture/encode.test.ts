import { expect, test } from "vitest";
import { contextFile, type Format, MAX_BYTES, regionFile, type Write } from "./encode";
import type { Raster } from "./raster";

test("without loss where it fits", async () => {
  const written: string[] = [];
  const file = await regionFile(a_region, 30_000, writing({ "image/webp": 2 }, written));
  expect(written).toEqual(["image/webp 1 448"]);
  expect(file.size).toBeLessThanOrEqual(MAX_BYTES - 30_000);
});

test("a browser that writes no WebP sends PNG, smaller if it must", async () => {
  const written: string[] = [];
  const file = await regionFile(a_region, 40_000, writing({ "image/png": 3 }, written));
  expect(file.type).toBe("image/png");
  expect(file.size).toBeLessThanOrEqual(MAX_BYTES - 40_000);
  expect(written.at(-1)).toBe("image/png 1 358");
});

test("a little loss comes before a smaller picture", async () => {
  const written: string[] = [];
  await regionFile(a_region, 40_000, writing({ "image/webp": 3, "image/png": 5 }, written));
  expect(written.at(-1)).toBe("image/webp 0.9 448");
});

test("the surroundings never take more than their share", async () => {
  const file = await contextFile(a_region, writing({ "image/jpeg": 1.2 }, []));
  expect(file.size).toBeLessThanOrEqual(40_000);
});

test("what cannot be made to fit is an error, not a file too large", async () => {
  await expect(regionFile(a_region, 159_000, writing({ "image/png": 4 }, []))).rejects.toThrow(RangeError);
});

function a_region(maxSide: number): Raster {
  const height = Math.round(maxSide / 4);
  return { width: maxSide, height, data: new Uint8ClampedArray(4 * maxSide * height) };
}

/** So many bytes a pixel at quality 1, less than in proportion below. */
function writing(bytesPerPixel: Partial<Record<Format["type"], number>>, written: string[]): Write {
  return async (raster, { type, quality }) => {
    const perPixel = bytesPerPixel[type];
    if (perPixel === undefined) return null;
    written.push(`${type} ${quality} ${raster.width}`);
    const size = Math.round(perPixel * quality ** 3 * raster.width * raster.height);
    return new Blob([new Uint8Array(size)], { type });
  };
}
