/** The region of interest as a crescent: what lies between two arcs that share their ends, and four handles to move it.
 *
 * Everything is in pixels of the frame, x to the right, y down. Each arc is a parabola over the chord from corner to
 * corner of the lid, so two ends and two depths say it all, and SVG draws it exactly.
 */
import { type Box, clipped, type Mask } from "./raster";

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Crescent {
  /** Corners of the lid as they lie in the picture. */
  readonly left: Point;
  readonly right: Point;
  /** How far the arcs hang below the middle of the chord, across it: of the edge at the eyeball, and at the lashes. */
  readonly upper: number;
  readonly lower: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export const HANDLES = ["left", "right", "upper", "lower"] as const;
export type Handle = (typeof HANDLES)[number];

/** Of the chord's length: a region thinner than this is a slip of the finger. */
const MIN_THICKNESS = 0.04;
const MIN_LENGTH_PX = 24;
const GUIDE = { length: 0.62, upper: 0.08, lower: 0.27 };

/** Where the eyelid is asked to be: in the middle, across most of the width; also where the region starts. */
export function guideIn({ width, height }: Size): Crescent {
  const length = GUIDE.length * Math.min(width, 2 * height);
  const y = (height - GUIDE.lower * length) / 2;
  const [left, right] = [{ x: (width - length) / 2, y }, { x: (width + length) / 2, y }];
  return { left, right, upper: GUIDE.upper * length, lower: GUIDE.lower * length };
}

export function lengthOf({ left, right }: Crescent): number {
  return Math.hypot(right.x - left.x, right.y - left.y);
}

/** Where the four handles lie. */
export function handlesOf(crescent: Crescent): Record<Handle, Point> {
  const { middle, across } = chordOf(crescent);
  const hanging = (depth: number): Point => ({ x: middle.x + depth * across.x, y: middle.y + depth * across.y });
  return { left: crescent.left, right: crescent.right, upper: hanging(crescent.upper), lower: hanging(crescent.lower) };
}

/** The crescent with one handle there, as near as it may: ends stay apart and in the picture, arcs in their order. */
export function moved(crescent: Crescent, handle: Handle, to: Point, within: Size): Crescent {
  const at = { x: between(0, to.x, within.width), y: between(0, to.y, within.height) };
  if (handle === "left" || handle === "right") return withEnd(crescent, handle, at);
  const { middle, across, length } = chordOf(crescent);
  const depth = (at.x - middle.x) * across.x + (at.y - middle.y) * across.y;
  const thin = MIN_THICKNESS * length;
  return handle === "upper"
    ? { ...crescent, upper: Math.min(depth, crescent.lower - thin) }
    : { ...crescent, lower: Math.max(depth, crescent.upper + thin) };
}

/** One handle by so many pixels, for a keyboard. */
export function nudged(crescent: Crescent, handle: Handle, right: number, down: number, within: Size): Crescent {
  const from = handlesOf(crescent)[handle];
  return moved(crescent, handle, { x: from.x + right, y: from.y + down }, within);
}

/** All of it at another scale, then shifted: from one picture's pixels into another's. */
export function placed(crescent: Crescent, scale: number, right = 0, down = 0): Crescent {
  const put = (point: Point): Point => ({ x: point.x * scale + right, y: point.y * scale + down });
  return {
    left: put(crescent.left),
    right: put(crescent.right),
    upper: crescent.upper * scale,
    lower: crescent.lower * scale,
  };
}

/** The outline as the `d` of an SVG path. */
export function outline(crescent: Crescent): string {
  const { left, right } = crescent;
  const { middle, across } = chordOf(crescent);
  const bend = (depth: number): string => `${middle.x + 2 * depth * across.x} ${middle.y + 2 * depth * across.y}`;
  return `M${left.x} ${left.y}Q${bend(crescent.upper)} ${right.x} ${right.y}Q${bend(crescent.lower)} ${left.x} ${left.y}Z`;
}

/** The smallest box of whole pixels around it, within the picture. */
export function boxOf(crescent: Crescent, { width, height }: Size): Box {
  const points = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => arcsAt(crescent, share));
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const [x, y] = [Math.min(...xs) - 1, Math.min(...ys) - 1];
  return clipped({ x, y, width: Math.max(...xs) + 1 - x, height: Math.max(...ys) + 1 - y }, width, height);
}

/** Which pixels of `box` have their centre inside. */
export function maskIn(crescent: Crescent, box: Box): Mask {
  const { middle, along, across, length } = chordOf(crescent);
  const mask = new Uint8Array(box.width * box.height);
  for (let i = 0; i < mask.length; i++) {
    const column = i % box.width;
    const x = box.x + column + 0.5 - middle.x;
    const y = box.y + (i - column) / box.width + 0.5 - middle.y;
    const bow = 1 - ((x * along.x + y * along.y) * (2 / length)) ** 2;
    const depth = x * across.x + y * across.y;
    mask[i] = bow > 0 && depth > crescent.upper * bow && depth < crescent.lower * bow ? 1 : 0;
  }
  return mask;
}

function withEnd(crescent: Crescent, end: "left" | "right", at: Point): Crescent {
  const other = end === "left" ? crescent.right : crescent.left;
  const furthest = end === "left" ? other.x - MIN_LENGTH_PX : other.x + MIN_LENGTH_PX;
  const x = end === "left" ? Math.min(at.x, furthest) : Math.max(at.x, furthest);
  const turned = { ...crescent, [end]: { x, y: at.y } };
  const grown = lengthOf(turned) / lengthOf(crescent);
  return { ...turned, upper: crescent.upper * grown, lower: crescent.lower * grown };
}

/** The points of both arcs over that share of the chord. */
function arcsAt(crescent: Crescent, share: number): [Point, Point] {
  const { left, right, upper, lower } = crescent;
  const { across } = chordOf(crescent);
  const bow = 1 - (2 * share - 1) ** 2;
  const on = { x: left.x + share * (right.x - left.x), y: left.y + share * (right.y - left.y) };
  const hanging = (depth: number): Point => ({ x: on.x + depth * bow * across.x, y: on.y + depth * bow * across.y });
  return [hanging(upper), hanging(lower)];
}

function chordOf(crescent: Crescent): { middle: Point; along: Point; across: Point; length: number } {
  const { left, right } = crescent;
  const length = lengthOf(crescent);
  const along = { x: (right.x - left.x) / length, y: (right.y - left.y) / length };
  const middle = { x: (left.x + right.x) / 2, y: (left.y + right.y) / 2 };
  return { middle, along, across: { x: -along.y, y: along.x }, length };
}

function between(least: number, value: number, most: number): number {
  return Math.min(Math.max(least, value), most);
}
