/** What to do while the camera looks: one glance at the frame under the guide, several times a second.
 *
 * The measures are the server's own, taken where the eyelid seems to be; whether it is near enough is seen from how
 * long it is beside the guide.
 */
import { regionOf } from "./crop";
import { type Found, findIn, SURE } from "./find";
import { judge, type Quality, type Reason } from "./quality";
import type { Raster } from "./raster";
import { type Crescent, guideIn, lengthOf } from "./region";

/** `nothing-seen`: no eyelid stands out under the guide. */
export type Hint = Exclude<Reason, "region-too-small"> | "closer" | "further" | "nothing-seen";

export interface Glance {
  /** Most pressing first; empty when there is nothing to mend. */
  readonly hints: readonly Hint[];
  /** Where the eyelid seems to be; the guide's own place when none stands out. */
  readonly crescent: Crescent;
  readonly quality: Quality;
}

/** Beside the guide's length. */
const NEAR_ENOUGH = 0.6;
const TOO_NEAR = 1.5; // nearly the width of the picture
const GLANCED_SIDE = 256; // the server judges at this size, so nothing is lost

/** Judge one frame as it is now. */
export function glance(frame: Raster): Glance {
  const found = findIn(frame);
  const crescent = proposed(frame, found);
  const quality = judge(regionOf(frame, crescent, GLANCED_SIDE));
  return { hints: hintsFrom(quality, found, frame), crescent, quality };
}

/** Where the region starts: the eyelid that was found, or the guide. */
export function proposed(frame: Raster, found: Found = findIn(frame)): Crescent {
  return seen(found) ? found.crescent : guideIn(frame);
}

export function seen(found: Found): boolean {
  return found.certainty >= SURE;
}

function hintsFrom(quality: Quality, found: Found, frame: Raster): Hint[] {
  const hints = quality.reasons.filter((reason) => reason !== "region-too-small") as Hint[];
  if (!seen(found)) return hints.length > 0 ? hints : ["nothing-seen"];
  const share = lengthOf(found.crescent) / lengthOf(guideIn(frame));
  if (share < NEAR_ENOUGH || quality.reasons.includes("region-too-small")) hints.push("closer");
  else if (share > TOO_NEAR) hints.push("further");
  return hints;
}
