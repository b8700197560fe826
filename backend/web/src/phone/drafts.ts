/** A case that is being taken: on the disk before anybody is told that it is kept, under the person's key. */
import type { CaptureFacts, Draft, DraftFacts, DraftPhoto, Eye, MediaType, TakenPhoto } from "../port";
import { type Database, type DraftPhotoRow, type DraftRow, DURABLE } from "../queue/database";
import type { Bytes } from "../sealing/digest";
import { close, closeJson, open, openJson } from "../vault/box";
import { PhoneFault } from "./fault";

interface Holder {
  readonly person: string;
  readonly key: CryptoKey;
}

interface Kept {
  readonly case_id: string;
  readonly site: string;
  readonly facts: DraftFacts;
}

/** What is known of a draft's photo, besides its bytes. */
export interface PhotoFacts {
  readonly photo_id: string;
  readonly captured_at: string;
  readonly eye: Eye | null;
  readonly capture: CaptureFacts;
  readonly region: { readonly media_type: MediaType; readonly bytes: number };
  readonly context: { readonly photo_id: string; readonly media_type: MediaType; readonly bytes: number } | null;
}

/** A photo as it was taken, to be sealed. */
export interface KeptPhoto {
  readonly facts: PhotoFacts;
  readonly region: Bytes;
  readonly context: Bytes | null;
}

export async function recallDrafts(database: Database, holder: Holder): Promise<Draft[]> {
  const rows = await database.getAllFromIndex("drafts", "person", holder.person);
  const drafts = await Promise.all(rows.map((row) => recallDraft(database, holder, row)));
  return drafts.sort((a, b) => b.started_at.localeCompare(a.started_at));
}

export async function saveDraft(
  database: Database,
  holder: Holder,
  { draft_id, started_at, ...kept }: Kept & { draft_id: string; started_at: string },
): Promise<void> {
  const box = await closeJson(holder.key, `drafts/${draft_id}`, kept);
  await stored(() => database.put("drafts", { draft_id, person: holder.person, started_at, box }));
}

/** Durable when the promise resolves. @throws PhoneFault `storage-full` */
export async function keepPhoto(database: Database, holder: Holder, draft_id: string, photo: TakenPhoto): Promise<void> {
  const row = await photoRow(holder, draft_id, photo);
  await stored(async () => {
    const tx = database.transaction("draft_photos", "readwrite", DURABLE);
    await tx.store.put(row);
    await tx.done;
  });
}

export async function photosOf(database: Database, holder: Holder, draft_id: string): Promise<KeptPhoto[]> {
  const rows = await database.getAllFromIndex("draft_photos", "draft_id", draft_id);
  const photos = await Promise.all(rows.map((row) => recallPhoto(holder, row)));
  return photos.sort((a, b) => a.facts.captured_at.localeCompare(b.facts.captured_at));
}

export async function photoOf(database: Database, holder: Holder, photo_id: string): Promise<Blob> {
  const row = await database.get("draft_photos", photo_id);
  if (!row) throw new PhoneFault("not-here");
  const { facts, region } = await recallPhoto(holder, row);
  return new Blob([region], { type: facts.region.media_type });
}

export async function dropDraft(database: Database, draft_id: string): Promise<void> {
  const tx = database.transaction(["drafts", "draft_photos"], "readwrite", DURABLE);
  const photos = tx.objectStore("draft_photos");
  for (const photo_id of await photos.index("draft_id").getAllKeys(draft_id)) await photos.delete(photo_id);
  await tx.objectStore("drafts").delete(draft_id);
  await tx.done;
}

/** Run a write; a full disk is said in words that the screens know. */
export async function stored<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof DOMException && error.name === "QuotaExceededError") throw new PhoneFault("storage-full");
    throw error;
  }
}

async function recallDraft(database: Database, { key }: Holder, row: DraftRow): Promise<Draft> {
  const { draft_id, started_at } = row;
  const kept = await openJson<Kept>(key, `drafts/${draft_id}`, row.box);
  const rows = await database.getAllFromIndex("draft_photos", "draft_id", draft_id);
  const photos = await Promise.all(
    rows.map((photo) => openJson<PhotoFacts>(key, placeOf(photo.photo_id, "facts"), photo.facts)),
  );
  photos.sort((a, b) => a.captured_at.localeCompare(b.captured_at));
  return { draft_id, started_at, ...kept, photos: photos.map(shown) };
}

function shown({ photo_id, eye, captured_at, region, context }: PhotoFacts): DraftPhoto {
  return { photo_id, eye, captured_at, bytes: region.bytes, context_bytes: context?.bytes ?? 0 };
}

async function photoRow({ key }: Holder, draft_id: string, photo: TakenPhoto): Promise<DraftPhotoRow> {
  const { photo_id, captured_at, eye, capture, region, context } = photo;
  const facts: PhotoFacts = {
    photo_id,
    captured_at,
    eye,
    capture,
    region: { media_type: typeOf(region), bytes: region.size },
    context: context && { photo_id: context.photo_id, media_type: typeOf(context.image), bytes: context.image.size },
  };
  return {
    photo_id,
    draft_id,
    facts: await closeJson(key, placeOf(photo_id, "facts"), facts),
    region: await close(key, placeOf(photo_id, "region"), await region.arrayBuffer()),
    context: context && (await close(key, placeOf(photo_id, "context"), await context.image.arrayBuffer())),
  };
}

async function recallPhoto({ key }: Holder, row: DraftPhotoRow): Promise<KeptPhoto> {
  const { photo_id } = row;
  return {
    facts: await openJson<PhotoFacts>(key, placeOf(photo_id, "facts"), row.facts),
    region: new Uint8Array(await open(key, placeOf(photo_id, "region"), row.region)),
    context: row.context && new Uint8Array(await open(key, placeOf(photo_id, "context"), row.context)),
  };
}

export function typeOf(image: Blob): MediaType {
  if (image.type === "image/png" || image.type === "image/jpeg" || image.type === "image/webp") return image.type;
  throw new PhoneFault("photo-type", image.type);
}

function placeOf(photo_id: string, what: "facts" | "region" | "context"): string {
  return `draft_photos/${photo_id}/${what}`;
}
