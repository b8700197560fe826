import { expect, test } from "vitest";
import { boxOf, type Crescent, guideIn, HANDLES, handlesOf, lengthOf, maskIn, moved, nudged, outline, placed } from "./region";

const FRAME = { width: 400, height: 300 };

test("the guide lies in the middle of the picture, whichever way the phone is held", () => {
  for (const size of [FRAME, { width: 300, height: 400 }, { width: 1920, height: 200 }]) {
    const box = boxOf(guideIn(size), size);
    expect(box.x + box.width / 2).toBeCloseTo(size.width / 2, -1);
    expect(box.y + box.height / 2).toBeCloseTo(size.height / 2, -1);
    expect(box.height).toBeLessThan(size.height);
  }
});

test("a handle goes where it is put, and the other three stay", () => {
  const before = handlesOf(a_crescent());
  const after = handlesOf(moved(a_crescent(), "lower", { x: 200, y: 190 }, FRAME));
  expect(after.lower).toEqual({ x: 200, y: 190 });
  expect([after.left, after.right, after.upper]).toEqual([before.left, before.right, before.upper]);
});

test("a moved corner takes the arcs along in proportion", () => {
  const grown = moved(a_crescent(), "right", { x: 400, y: 100 }, FRAME);
  expect(lengthOf(grown)).toBe(300);
  expect(grown.lower / grown.upper).toBeCloseTo(a_crescent().lower / a_crescent().upper);
});

test("no handle leaves the picture, and no two cross", () => {
  expect(moved(a_crescent(), "left", { x: -50, y: 900 }, FRAME).left).toEqual({ x: 0, y: 300 });
  const crossed = moved(a_crescent(), "left", { x: 399, y: 100 }, FRAME);
  expect(crossed.left.x).toBeLessThan(crossed.right.x);
  const thin = moved(a_crescent(), "upper", { x: 200, y: 290 }, FRAME);
  expect(thin.upper).toBeLessThan(thin.lower);
});

test("arrow keys move by pixels, also where the lid lies aslant", () => {
  const aslant = { ...a_crescent(), right: { x: 280, y: 160 } };
  for (const handle of HANDLES) {
    const [from, to] = [handlesOf(aslant)[handle], handlesOf(nudged(aslant, handle, 0, 8, FRAME))[handle]];
    expect(to.y).toBeGreaterThan(from.y);
  }
});

test("the mask is what lies between the arcs", () => {
  const box = boxOf(a_crescent(), FRAME);
  const mask = maskIn(a_crescent(), box);
  const inside = (x: number, y: number): number => mask[(y - box.y) * box.width + x - box.x]!;
  expect(inside(200, 125)).toBe(1);
  expect(inside(200, 115)).toBe(0);
  expect(inside(150, 141)).toBe(0);
  expect(inside(130, 107)).toBe(0);
  const area = mask.reduce((sum, pixel) => sum + pixel, 0);
  expect(area).toBeCloseTo((2 / 3) * 200 * 30, -2);
});

test("the box holds the whole mask and nothing is cut off", () => {
  const aslant = { ...a_crescent(), right: { x: 280, y: 160 } };
  const everywhere = maskIn(aslant, { x: 0, y: 0, ...FRAME }).reduce((sum, pixel) => sum + pixel, 0);
  expect(maskIn(aslant, boxOf(aslant, FRAME)).reduce((sum, pixel) => sum + pixel, 0)).toBe(everywhere);
});

test("the drawn outline passes through the handles", () => {
  const d = outline(a_crescent());
  expect(d).toBe("M100 100Q200 140 300 100Q200 200 100 100Z");
});

test("the same crescent in another picture's pixels", () => {
  expect(placed(a_crescent(), 0.5, 10, 20)).toEqual({ left: { x: 60, y: 70 }, right: { x: 160, y: 70 }, upper: 10, lower: 25 });
});

function a_crescent(): Crescent {
  return { left: { x: 100, y: 100 }, right: { x: 300, y: 100 }, upper: 20, lower: 50 };
}
