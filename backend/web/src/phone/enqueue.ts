/** Something is finished: sealed, and put into the queue in the same transaction that takes away what it was made of. */
import { ageOf, bodyOf, faultsOf } from "../facts/check";
import limits from "../limits.json";
import type { Draft, SealedKind, TakenPhoto } from "../port";
import { DURABLE, type QueueRow, type SeenRow } from "../queue/database";
import { pack, type Part, type Submission } from "../sealing/container";
import { seal } from "../sealing/seal";
import { type SeenCase, seenRow } from "../vault/seen";
import type { Core, Opened } from "./core";
import { type KeptPhoto, photosOf, stored, typeOf } from "./drafts";
import { PhoneFault } from "./fault";

type Said = Omit<Submission, "submission_id" | "sealed_at">;

/** @returns the case's id. @throws PhoneFault `draft-unfit`, `no-sealing-key`, `too-large`, `storage-full` */
export async function finishDraft(core: Core, opened: Opened, draft: Draft): Promise<string> {
  const faults = faultsOf(draft.facts, core.now());
  if (faults.length > 0) throw new PhoneFault("draft-unfit", null, faults);
  const body = bodyOf({ ...draft.facts, site: draft.site });
  const training = Boolean(body.consent.training);
  const photos = await photosOf(core.database, opened, draft.draft_id);
  const { case_id, site } = draft;
  const parts = photos.flatMap((photo) => partsOf(photo, training));
  const { row, blob } = await sealed(core, opened, { kind: "case", site, case_id, body }, parts);
  const seen: SeenCase = {
    case_id,
    site,
    subject_code: body.subject_code,
    visited_at: body.visited_at,
    subject: { ...body.subject, age_months: ageOf(draft.facts) ?? 0 },
    danger_signs: body.danger_signs,
    severe_pallor: body.severe_pallor,
    sore_eye: body.sore_eye,
    specimen_barcode: body.specimen_barcode ?? null,
    consent: { care: true, training },
    mine: true,
    advice: null,
    label: null,
    results: [],
    photos: photos.map(({ facts }) => ({ photo_id: facts.photo_id, state: "waiting", refusal: null, retake: [] })),
    alert: null,
    follow_up: null,
    amended: false,
    warnings: [],
    status: null,
    facts: body,
  };
  await put(core, row, blob, { draft_id: draft.draft_id, seen: await seenRow(opened.key, opened.person, seen) });
  await core.changed("queue", "drafts", "seen");
  return case_id;
}

/** A later word about a case: an amendment, a retake, a follow-up. */
export async function say(core: Core, opened: Opened, said: Said, photos: readonly TakenPhoto[] = []): Promise<void> {
  const training = core.seen.value.get(said.case_id)?.consent.training ?? false;
  const parts = (await Promise.all(photos.map(kept))).flatMap((photo) => partsOf(photo, training));
  const { row, blob } = await sealed(core, opened, said, parts);
  await put(core, row, blob, null);
  await core.changed("queue");
}

async function sealed(
  core: Core,
  opened: Opened,
  said: Said,
  parts: readonly Part[],
): Promise<{ row: QueueRow; blob: ArrayBuffer }> {
  const key = core.device.value?.sites.find((site) => site.code === said.site)?.key;
  if (!key) throw new PhoneFault("no-sealing-key");
  const submission = { ...said, submission_id: crypto.randomUUID(), sealed_at: core.now().toISOString() };
  const { bytes, digests } = await pack(submission, parts);
  const { blob, sha256 } = await seal(bytes, key);
  if (blob.length > limits.sealed_bytes) throw new PhoneFault("too-large", String(blob.length));
  const { submission_id, sealed_at } = submission;
  const row: QueueRow = {
    submission_id,
    kind: said.kind as SealedKind,
    case_id: said.case_id,
    site: said.site,
    person: opened.person,
    sealed_at,
    bytes: blob.length,
    sha256,
    digests,
    offset: 0,
    attempts: 0,
    refusal: null,
    asked_at: null,
  };
  return { row, blob: blob.buffer };
}

/** All or nothing: a battery that dies here leaves either the draft or the sealed record. */
async function put(
  core: Core,
  row: QueueRow,
  blob: ArrayBuffer,
  instead: { readonly draft_id: string; readonly seen: SeenRow } | null,
): Promise<void> {
  await stored(async () => {
    const stores = ["queue", "blobs", "drafts", "draft_photos", "seen"] as const;
    const tx = core.database.transaction(stores, "readwrite", DURABLE);
    try {
      await tx.objectStore("queue").put(row);
      await tx.objectStore("blobs").put({ submission_id: row.submission_id, blob });
      if (instead) {
        const photos = tx.objectStore("draft_photos");
        for (const id of await photos.index("draft_id").getAllKeys(instead.draft_id)) await photos.delete(id);
        await tx.objectStore("drafts").delete(instead.draft_id);
        await tx.objectStore("seen").put(instead.seen);
      }
    } catch (error) {
      tx.done.catch(() => undefined);
      if (tx.error === null) tx.abort(); // what throws before it is asked would leave the half that was
      throw error;
    }
    await tx.done;
  });
}

/** The region, and what surrounds it only where that may be kept. */
function partsOf({ facts, region, context }: KeptPhoto, training: boolean): Part[] {
  const { photo_id, captured_at, eye, capture } = facts;
  const shared = { captured_at, eye, capture };
  const parts: Part[] = [
    { ...shared, photo_id, media_type: facts.region.media_type, role: "roi", of: null, data: region },
  ];
  if (training && facts.context && context) {
    const { photo_id: id, media_type } = facts.context;
    parts.push({ ...shared, photo_id: id, media_type, role: "context", of: photo_id, data: context });
  }
  return parts;
}

async function kept({ photo_id, captured_at, eye, capture, region, context }: TakenPhoto): Promise<KeptPhoto> {
  const around = context && { photo_id: context.photo_id, media_type: typeOf(context.image), bytes: context.image.size };
  return {
    facts: {
      photo_id,
      captured_at,
      eye,
      capture,
      region: { media_type: typeOf(region), bytes: region.size },
      context: around,
    },
    region: new Uint8Array(await region.arrayBuffer()),
    context: context && new Uint8Array(await context.image.arrayBuffer()),
  };
}
