/** Detail within the region, as the server measures it: blur is too little fine detail beside the coarse.
 *
 * Taken twice, in light and in what blood writes, log(red / green): pale tissue has less of both kinds of detail, and
 * their ratio stays.
 */
import limits from "./quality.json";
import { cut, cutMask, type Mask, type Raster, tightBox } from "./raster";
import { resample } from "./resample";

const LIMITS = limits.quality;

/** Fine over coarse detail, the larger of the ratios in light and in blood; and fine detail in light by itself. */
export function sharpnessOf(photo: Raster, mask: Mask): { sharpness: number; detail: number } {
  const { raster, mask: small } = atJudgedSize(photo, mask);
  const { width, height } = raster;
  const inside = LIMITS.sigmas.map((sigma) => gaussian(Float32Array.from(small), width, height, sigma));
  const judged = { width, height, mask: small, core: withoutRim(small, width, height), inside };
  const light = new Float32Array(small.length);
  const blood = new Float32Array(small.length);
  for (let i = 0; i < small.length; i++) {
    const [r, g, b] = [raster.data[4 * i]!, raster.data[4 * i + 1]!, raster.data[4 * i + 2]!];
    light[i] = Math.log(0.299 * r + 0.587 * g + 0.114 * b + 8);
    blood[i] = Math.log((r + 8) / (g + 8));
  }
  const [inLight, inBlood] = [details(light, judged), details(blood, judged)];
  return { sharpness: Math.max(ratio(inLight), ratio(inBlood)), detail: inLight.fine };
}

interface Judged {
  readonly width: number;
  readonly height: number;
  readonly mask: Mask;
  /** Where detail is read: the mask without its rim. */
  readonly core: Mask;
  /** Of each smoothing, how much of each pixel's surroundings lay inside. */
  readonly inside: readonly Float32Array[];
}

interface Detail {
  readonly fine: number;
  readonly coarse: number;
}

/** Detail of one to two pixels, and of two to four, in root mean square (differences of Gaussians). */
function details(values: Float32Array, judged: Judged): Detail {
  const { width, height, mask, core, inside } = judged;
  const level = meanWithin(values, mask);
  const centred = values.map((value, i) => (mask[i] ? value - level : 0));
  const [first, second, third] = LIMITS.sigmas.map((sigma, layer) => {
    const smoothed = gaussian(centred, width, height, sigma);
    return smoothed.map((value, i) => (mask[i] ? value / inside[layer]![i]! : 0));
  });
  return { fine: apart(first!, second!, core), coarse: apart(second!, third!, core) };
}

function ratio({ fine, coarse }: Detail): number {
  return Math.hypot(fine, LIMITS.too_faint) / Math.hypot(coarse, LIMITS.too_faint);
}

function meanWithin(values: Float32Array, mask: Mask): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < mask.length; i++) {
    if (!mask[i]) continue;
    sum += values[i]!;
    count++;
  }
  return sum / count;
}

function apart(a: Float32Array, b: Float32Array, core: Mask): number {
  return Math.sqrt(meanWithin(a.map((value, i) => (value - b[i]!) ** 2), core));
}

/** The region about as large as a model's input: detail too fine for that is not missed. */
function atJudgedSize(photo: Raster, mask: Mask): { raster: Raster; mask: Mask } {
  const box = tightBox(mask, photo.width)!;
  const raster = cut(photo, box);
  const own = cutMask(mask, photo.width, box);
  const scale = LIMITS.judged_side / Math.max(box.width, box.height);
  if (scale >= 1) return { raster, mask: own };
  const size = [box.width, box.height].map((side) => Math.max(1, halfToEven(side * scale)));
  const marked = { ...raster, data: raster.data.map((value, i) => (i % 4 === 3 ? 255 * own[i >> 2]! : value)) };
  const small = resample(marked, size[0]!, size[1]!, "box");
  // A pixel mixed with the outside would bring it in.
  const whole = Uint8Array.from({ length: small.width * small.height }, (_, i) => (small.data[4 * i + 3] === 255 ? 1 : 0));
  return whole.includes(1) ? { raster: small, mask: whole } : { raster, mask: own };
}

/** As Python rounds. */
function halfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Less the pixels at the rim, where skin and eyeball blur into the region and would pass for detail. */
function withoutRim(mask: Mask, width: number, height: number): Mask {
  const core = eroded(eroded(mask, height, width, 1), width, height, width);
  const left = core.reduce((count, inside) => count + inside, 0);
  return left >= LIMITS.min_core_pixels ? core : mask;
}

/** Along one axis: lines of `length` pixels that lie `step` apart. What lies beyond an end is outside. */
function eroded(mask: Mask, lines: number, length: number, step: number): Mask {
  const out = new Uint8Array(mask.length);
  const [reach, apartBy] = [LIMITS.rim_pixels, step === 1 ? length : 1];
  for (let line = 0; line < lines; line++) {
    let run = 0;
    for (let at = 0; at < length; at++) {
      const i = line * apartBy + at * step;
      run = mask[i] ? run + 1 : 0;
      if (run > 2 * reach) out[i - reach * step] = 1;
    }
  }
  return out;
}

/** Gaussian sum over three sigmas each way; beyond the border lies 0. */
function gaussian(values: Float32Array, width: number, height: number, sigma: number): Float32Array {
  const reach = Math.ceil(3 * sigma);
  const raw = Array.from({ length: 2 * reach + 1 }, (_, k) => Math.exp(-0.5 * ((k - reach) / sigma) ** 2));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  const weights = Float64Array.from(raw, (weight) => weight / sum);
  return along(along(values, width, height, width, weights), height, width, 1, weights);
}

/** Weighted sums along one axis: `lines` lines of `length` values that lie `step` apart. */
function along(values: Float32Array, lines: number, length: number, step: number, weights: Float64Array): Float32Array {
  const reach = weights.length >> 1;
  const apartBy = step === 1 ? length : 1;
  const out = new Float32Array(values.length);
  const line = new Float64Array(length + 2 * reach);
  for (let n = 0; n < lines; n++) {
    for (let at = 0; at < length; at++) line[reach + at] = values[n * apartBy + at * step]!;
    for (let at = 0; at < length; at++) {
      let total = 0;
      for (let k = 0; k < weights.length; k++) total += weights[k]! * line[at + k]!;
      out[n * apartBy + at * step] = total;
    }
  }
  return out;
}
