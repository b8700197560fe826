/** Find the inner lower eyelid in a picture: the crescent that differs most in colour from what lies above and below it.
 *
 * Mucosa is redder than the eyeball above it, but not always redder than dark skin below: it only has to be another
 * colour. So a crescent is worth as much as parting it from either neighbour explains, in redness and in light, pixel by
 * pixel. Places about the guide are tried, the best are moved until nothing is better.
 */
import { type Box, clipped, cut, type Raster } from "./raster";
import { type Crescent, guideIn, placed, type Size } from "./region";
import { resample } from "./resample";

export interface Found {
  readonly crescent: Crescent;
  /** Share of the differences in colour that the crescent explains towards its less different neighbour, 0..1. */
  readonly certainty: number;
}

/** From here up it is an eyelid. Between what drawn eyes reach and what pictures without one do. */
export const SURE = 0.6;

const WORKING_WIDTH = 96;
const BEST = 8;
const BAND = 0.12; // of the guide's length: how far above and below the crescent is looked
const MIN_THICKNESS = 0.08; // of its length: an eyelid that nobody everted shows less
const FLOOR = 4e-4; // variance, in log units, that noise explains

/** In pixels of the working picture: the chord's middle, half its length, its slope, how deep the upper arc hangs, and how
 * much deeper the lower one. */
type Shape = readonly [x: number, y: number, half: number, slope: number, upper: number, thickness: number];

/** The best crescent near the guide. */
export function findIn(frame: Raster): Found {
  const box = lookedAt(frame);
  const scale = WORKING_WIDTH / box.width;
  const height = Math.max(1, Math.round(box.height * scale));
  const sums = summed(resample(cut(frame, box), WORKING_WIDTH, height, "triangle"));
  const guide = shapeOf(placed(guideIn(frame), scale, -box.x * scale, -box.y * scale));
  const band = Math.max(2, BAND * 2 * guide[2]);
  const worth = (shape: Shape): number => gains(shape, sums, band).worth;
  const tried = about(guide).map((shape) => ({ shape, worth: worth(shape) }));
  const climbed = tried
    .sort((a, b) => b.worth - a.worth)
    .slice(0, BEST)
    .map(({ shape }) => climb(shape, worth));
  const best = climbed.reduce((a, b) => (worth(b) > worth(a) ? b : a));
  const crescent = placed(crescentOf(best), 1 / scale, box.x, box.y);
  return { crescent, certainty: gains(best, sums, band).certainty };
}

/** The guide with room around it. */
function lookedAt(frame: Size): Box {
  const { left, right, lower } = guideIn(frame);
  const length = right.x - left.x;
  const middle = left.y + lower / 2;
  const [x, y] = [left.x - 0.3 * length, middle - 0.6 * length];
  return clipped({ x, y, width: 1.6 * length, height: 1.2 * length }, frame.width, frame.height);
}

function about([x, y, half, slope, upper, thickness]: Shape): Shape[] {
  const shapes: Shape[] = [];
  for (const size of [0.5, 0.75, 1.1, 1.5]) {
    for (const right of [-0.3, 0, 0.3]) {
      for (const down of [-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6]) {
        for (const hang of [0.3, 1, 2]) {
          const scaled = [half * size, slope, upper * size * hang, thickness * size] as const;
          shapes.push([x + right * half, y + down * half, ...scaled]);
        }
      }
    }
  }
  return shapes;
}

/** Move one number at a time by smaller and smaller steps, as long as that is better. */
function climb(from: Shape, worth: (shape: Shape) => number): Shape {
  let best = from;
  let most = worth(best);
  for (let step = 0.16 * from[2]; step > 0.3; step /= 2) {
    for (let better = true; better; ) {
      better = false;
      for (let axis = 0; axis < 6; axis++) {
        for (const by of [step, -step]) {
          const next = best.map((value, i) => (i === axis ? value + (axis === 3 ? by / best[2] : by) : value));
          const tried = next as unknown as Shape;
          const reached = worth(tried);
          if (reached <= most) continue;
          [best, most, better] = [tried, reached, true];
        }
      }
    }
  }
  return best;
}

/** Sums down each column of redness, light and their squares, so that any stretch of a column costs two look-ups. */
interface Sums {
  readonly width: number;
  readonly height: number;
  readonly down: readonly Float64Array[];
}

function summed({ width, height, data }: Raster): Sums {
  const down = Array.from({ length: 4 }, () => new Float64Array(width * (height + 1)));
  for (let i = 0; i < width * height; i++) {
    const [r, g, b] = [data[4 * i]!, data[4 * i + 1]!, data[4 * i + 2]!];
    const redness = Math.log((r + 8) / (g + 8));
    const light = Math.log(0.299 * r + 0.587 * g + 0.114 * b + 8);
    for (const [k, value] of [redness, light, redness ** 2, light ** 2].entries()) {
      down[k]![i + width] = down[k]![i]! + value;
    }
  }
  return { width, height, down };
}

/** Pixels, then sums of redness, light and their squares. */
type Zone = [number, number, number, number, number];

function gains(shape: Shape, sums: Sums, band: number): { worth: number; certainty: number } {
  const zones = zonesOf(shape, sums, band);
  if (zones === null) return { worth: 0, certainty: 0 };
  const [above, inside, below] = zones;
  const redder = inside[1] / inside[0] - above[1] / above[0];
  if (redder <= 0) return { worth: 0, certainty: 0 };
  const sides = [above, below].map((side) => {
    const unexplained = [1, 2].map((k) => parted(inside, side, k));
    const worth = unexplained.reduce((sum, share) => sum - Math.log(share), 0) * Math.sqrt(inside[0] + side[0]);
    return { worth, certainty: 1 - Math.min(...unexplained) };
  });
  return {
    worth: Math.min(...sides.map((side) => side.worth)),
    certainty: Math.min(...sides.map((side) => side.certainty)),
  };
}

/** Of the variance of both zones together, the share that stays within them. */
function parted(a: Zone, b: Zone, k: number): number {
  const scatter = (n: number, sum: number, squares: number): number => squares - sum ** 2 / n + n * FLOOR;
  const within = scatter(a[0], a[k]!, a[k + 2]!) + scatter(b[0], b[k]!, b[k + 2]!);
  return within / scatter(a[0] + b[0], a[k]! + b[k]!, a[k + 2]! + b[k + 2]!);
}

function zonesOf(shape: Shape, { width, height, down }: Sums, band: number): [Zone, Zone, Zone] | null {
  const [x, y, half, slope, upper, thickness] = shape;
  if (half < 8 || thickness < MIN_THICKNESS * 2 * half || thickness > half || upper < -0.2 * half || upper > half) return null;
  if (Math.abs(slope) > 0.6 || x - half < 0 || x + half > width) return null;
  const zones: [Zone, Zone, Zone] = [
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0],
  ];
  for (let column = Math.ceil(x - half); column < x + half - 0.5; column++) {
    const across = column + 0.5 - x;
    const bow = 1 - (across / half) ** 2;
    const top = y + slope * across + upper * bow;
    const edges = [top - band, top, top + thickness * bow, top + thickness * bow + band];
    if (edges[0]! < 0 || edges[3]! > height) return null;
    for (let zone = 0; zone < 3; zone++) {
      const [from, to] = [Math.round(edges[zone]!), Math.round(edges[zone + 1]!)];
      const sum = zones[zone]!;
      sum[0] += to - from;
      for (let k = 0; k < 4; k++) sum[k + 1]! += down[k]![to * width + column]! - down[k]![from * width + column]!;
    }
  }
  return zones.every(([pixels]) => pixels > 0) ? zones : null;
}

function shapeOf({ left, right, upper, lower }: Crescent): Shape {
  const half = (right.x - left.x) / 2;
  const slope = (right.y - left.y) / (2 * half);
  return [(left.x + right.x) / 2, (left.y + right.y) / 2, half, slope, upper, lower - upper];
}

/** A shape hangs straight down, a crescent across its chord. */
function crescentOf([x, y, half, slope, upper, thickness]: Shape): Crescent {
  const upright = 1 / Math.hypot(1, slope);
  return {
    left: { x: x - half, y: y - slope * half },
    right: { x: x + half, y: y + slope * half },
    upper: upper * upright,
    lower: (upper + thickness) * upright,
  };
}
