/** From one look at an eye to what is kept of it: frame, region, files, facts. */
import { PhoneFault } from "../phone/fault";
import type { Eye, TakenPhoto } from "../port";
import { contextOf, regionOf } from "./crop";
import { contextFile, pixelsOf, regionFile } from "./encode";
import { galleryFacts, phoneModel, type ShotFacts } from "./facts";
import { pixelsOfPhoto } from "./frame";
import { judge, type Quality } from "./quality";
import type { Raster } from "./raster";
import { type Crescent, HANDLES, handlesOf } from "./region";

/** A frame that was frozen, before the region is marked. It is only in memory. */
export interface Shot {
  readonly frame: Raster;
  readonly captured_at: string;
  readonly facts: ShotFacts;
}

export interface Kept {
  readonly photo: TakenPhoto;
  /** The server's gate, on the file as it will be sent; with reasons the server would ask for another photo. */
  readonly quality: Quality;
}

const MAX_FILE_BYTES = 30_000_000;

/** A photo out of the gallery. Faults: `photo-too-large`, `photo-unreadable`. */
export async function shotOf(file: File): Promise<Shot> {
  if (file.size > MAX_FILE_BYTES) throw new PhoneFault("photo-too-large");
  const frame = await pixelsOfPhoto(file).catch(() => {
    throw new PhoneFault("photo-unreadable");
  });
  const facts = galleryFacts(await phoneModel());
  return { frame, captured_at: new Date(Math.min(file.lastModified, Date.now())).toISOString(), facts };
}

/** Cut the marked region out and make it a photo to be kept.
 *
 * @param training whether the surroundings may be sent too: only with consent to training */
export async function keep(shot: Shot, crescent: Crescent, eye: Eye | null, training: boolean): Promise<Kept> {
  const around = training ? await contextFile((side) => contextOf(shot.frame, crescent, side)) : null;
  const region = await regionFile((side) => regionOf(shot.frame, crescent, side), around?.size ?? 0);
  const points = handlesOf(crescent);
  const { width, height } = shot.frame;
  const share = (at: number, of: number): number => Math.min(1, Math.max(0, Math.round((1e4 * at) / of) / 1e4));
  const handles = HANDLES.map((handle) => [share(points[handle].x, width), share(points[handle].y, height)] as const);
  const photo: TakenPhoto = {
    photo_id: crypto.randomUUID(),
    captured_at: shot.captured_at,
    eye,
    region,
    context: around === null ? null : { photo_id: crypto.randomUUID(), image: around },
    capture: { ...shot.facts, handles },
  };
  return { photo, quality: judge(await pixelsOf(region)) };
}
