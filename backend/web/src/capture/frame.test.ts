import { expect, test } from "vitest";
import { seenAround, visibleIn } from "./frame";
import { boxOf, guideIn, placed } from "./region";

test("what overflows the viewfinder is not taken", () => {
  expect(visibleIn({ width: 300, height: 400 }, { width: 1080, height: 1920 })).toEqual({ x: 0, y: 240, width: 1080, height: 1440 });
  expect(visibleIn({ width: 300, height: 400 }, { width: 1280, height: 720 })).toEqual({ x: 370, y: 0, width: 540, height: 720 });
});

test("a viewfinder without size yet takes everything", () => {
  expect(visibleIn({ width: 0, height: 0 }, { width: 640, height: 480 })).toEqual({ x: 0, y: 0, width: 640, height: 480 });
});

test("the region is shown large, whole and with room around it", () => {
  const frame = { width: 1200, height: 1600 };
  for (const crescent of [guideIn(frame), placed(guideIn(frame), 0.3), placed(guideIn(frame), 0.3, 830, 1300)]) {
    const [view, box] = [seenAround(crescent, frame), boxOf(crescent, frame)];
    expect(view.x).toBeLessThanOrEqual(box.x);
    expect(view.y).toBeLessThanOrEqual(box.y);
    expect(view.x + view.width).toBeGreaterThanOrEqual(box.x + box.width);
    expect(view.y + view.height).toBeGreaterThanOrEqual(box.y + box.height);
    expect(view.x + view.width).toBeLessThanOrEqual(frame.width);
    expect(view.width / view.height).toBeCloseTo(1, 1);
  }
});
