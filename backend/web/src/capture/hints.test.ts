import { expect, test } from "vitest";
import { findIn, SURE } from "./find";
import { glance, proposed } from "./hints";
import type { Raster } from "./raster";
import { type Crescent, guideIn, handlesOf, maskIn, placed } from "./region";

const SIZE = { width: 360, height: 480 };
const [EYEBALL, MUCOSA, SKIN] = [[205, 200, 195], [200, 120, 112], [130, 85, 65]] as const;

test("an eyelid near the guide is found by its colour", () => {
  const shifted = placed(guideIn(SIZE), 0.85, 38, 22);
  const found = findIn(a_face(shifted));
  expect(found.certainty).toBeGreaterThan(SURE);
  for (const handle of ["left", "right", "upper", "lower"] as const) {
    const [is, should] = [handlesOf(found.crescent)[handle], handlesOf(shifted)[handle]];
    expect(Math.hypot(is.x - should.x, is.y - should.y)).toBeLessThan(14);
  }
});

test("where none is seen the guide's own place is proposed", () => {
  for (const colour of [EYEBALL, MUCOSA, SKIN]) {
    const wall = a_face(null, colour);
    expect(proposed(wall)).toEqual(guideIn(SIZE));
    expect(glance(wall).hints).not.toEqual([]);
  }
});

test("a closed eye is no eyelid", () => {
  expect(findIn(a_face({ ...guideIn(SIZE), upper: 1, lower: 2 })).certainty).toBeLessThan(SURE);
});

test("a small eyelid asks to go closer, a huge one further away", () => {
  expect(glance(a_face(placed(guideIn(SIZE), 0.45, 99, 130))).hints[0]).toBe("closer");
  expect(glance(a_face(placed(guideIn(SIZE), 1.5, -90, -120))).hints[0]).toBe("further");
});

test("light is spoken of as the server would", () => {
  const dark = a_face(guideIn(SIZE), SKIN, 0.2);
  expect(glance(dark).hints).toContain("too-dark");
  expect(glance(a_face(guideIn(SIZE))).hints).not.toContain("too-dark");
});

/** Eyeball above, skin below, mucosa between the arcs, with soft texture and noise. */
function a_face(lid: Crescent | null, ground: readonly number[] = SKIN, light = 1): Raster {
  const { width, height } = SIZE;
  const inside = lid === null ? null : maskIn(lid, { x: 0, y: 0, ...SIZE });
  const data = new Uint8ClampedArray(4 * width * height);
  let seed = 7;
  const chance = (): number => (seed = (seed * 16807) % 2147483647) / 2147483647 - 0.5;
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const colour = inside?.[i] ? MUCOSA : lid !== null && y < lid.left.y + hang(lid, x) ? EYEBALL : ground;
    const grain = 12 * Math.sin(x / 4) * Math.sin(y / 3) + 10 * chance();
    data.set([...colour.map((level) => light * (level + grain)), 255], 4 * i);
  }
  return { width, height, data };
}

function hang(lid: Crescent, x: number): number {
  const half = (lid.right.x - lid.left.x) / 2;
  return Math.max(0, lid.upper * (1 - ((x - lid.left.x - half) / half) ** 2));
}
