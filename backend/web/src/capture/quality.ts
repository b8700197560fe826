/** Is this photo good enough to score? The server's own gate (pallor/image/quality.py), measure for measure.
 *
 * Its limits are read from `quality.json`, which `python -m pallor.image.limits` writes; why each is what it is stands
 * there. `benchmarks.phone_quality` holds both against each other. Nothing here may refuse a photo for being pale.
 */
import limits from "./quality.json";
import { type Mask, maskOf, type Raster } from "./raster";
import { sharpnessOf } from "./sharpness";

const LIMITS = limits.quality;

/** The server's codes; words for them are the screens'. */
export type Reason = "region-too-small" | "too-dark" | "too-bright" | "glare" | "blurred";

/** What was measured inside the region; without reasons the photo passed. */
export interface Quality {
  readonly reasons: readonly Reason[];
  readonly region_pixels: number;
  /** Median of the red channel, 0..255. */
  readonly red_level: number;
  readonly clipped_share: number;
  readonly glare_share: number;
  /** Fine over coarse detail; around 0.6 in focus, towards 0.3 when blurred. */
  readonly sharpness: number;
  /** Fine detail in log luminance, root mean square. */
  readonly detail: number;
}

/** Judge what is opaque in `photo`; what is transparent decides nothing. */
export function judge(photo: Raster): Quality {
  const mask = maskOf(photo);
  const { pixels, red, white } = levels(photo, mask);
  if (pixels === 0) {
    return { reasons: ["region-too-small"], region_pixels: 0, red_level: 0, clipped_share: 0, glare_share: 0, sharpness: 0, detail: 0 };
  }
  const red_level = median(red, pixels);
  const clipped_share = shareFrom(red, pixels, LIMITS.clipped_from);
  const mirrored = Math.max(LIMITS.white_from, median(white, pixels) + LIMITS.whiter_than_region);
  const glare_share = shareFrom(white, pixels, mirrored);
  const { sharpness, detail } = sharpnessOf(photo, mask);
  const verdicts: Record<Reason, boolean> = {
    "region-too-small": pixels < LIMITS.min_region_pixels,
    "too-dark": red_level < LIMITS.min_red_level,
    "too-bright": clipped_share > LIMITS.max_clipped_share,
    glare: glare_share > LIMITS.max_glare_share,
    blurred: sharpness < LIMITS.min_sharpness || detail < LIMITS.min_detail,
  };
  const reasons = (Object.keys(verdicts) as Reason[]).filter((reason) => verdicts[reason]);
  return { reasons, region_pixels: pixels, red_level, clipped_share, glare_share, sharpness, detail };
}

/** How many pixels of the region have which level: of red, and of their weakest channel. */
function levels(photo: Raster, mask: Mask): { pixels: number; red: Uint32Array; white: Uint32Array } {
  const red = new Uint32Array(256);
  const white = new Uint32Array(256);
  let pixels = 0;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    const [r, g, b] = [photo.data[4 * i]!, photo.data[4 * i + 1]!, photo.data[4 * i + 2]!];
    red[r]!++;
    white[Math.min(r, g, b)]!++;
    pixels++;
  }
  return { pixels, red, white };
}

function median(counts: Uint32Array, total: number): number {
  return (levelAt(counts, (total - 1) >> 1) + levelAt(counts, total >> 1)) / 2;
}

function levelAt(counts: Uint32Array, rank: number): number {
  let seen = 0;
  return counts.findIndex((count) => (seen += count) > rank);
}

function shareFrom(counts: Uint32Array, total: number, level: number): number {
  return counts.reduce((sum, count, at) => (at >= level ? sum + count : sum), 0) / total;
}
