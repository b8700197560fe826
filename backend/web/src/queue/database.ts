/** The phone's one database: what lies in it, and how an older one becomes it.
 *
 * Whoever opens it by hand finds ids, times, sizes, site codes, account names and this phone's token; photos, codes and
 * values lie in boxes (vault/box.ts) or in sealed blobs (sealing/seal.ts) alone.
 */
import { type DBSchema, type IDBPDatabase, type IDBPTransaction, type StoreNames, openDB } from "idb";
import type { Refusal, SealedKind } from "../port";
import type { SealingKey } from "../sealing/seal";
import type { Box } from "../vault/box";
import type { PinLock } from "../vault/pin";

export const NAME = "pallor";

export interface DeviceRow {
  readonly id: "device";
  readonly token: string;
  readonly token_expires_at: string | null;
  readonly name: string;
  readonly world: "real" | "synthetic";
  readonly state: "active" | "retired";
  readonly sites: readonly SiteRow[];
}

export interface SiteRow {
  readonly code: string;
  readonly practice: boolean;
  readonly altitude_m: number | null;
  readonly key: SealingKey | null;
}

export interface PersonRow {
  readonly name: string;
  readonly lock: PinLock | null;
  readonly tries_left: number;
  /** The person's own token and sites, under their key; null until they have chosen a PIN. */
  readonly signed_in: Box | null;
  /** Where the feed goes on. */
  readonly cursor: string | null;
  /** When the server last answered this person: the history locks 30 days later. */
  readonly contact_at: string | null;
}

/** What is sealed and waits. `digests` are what the receipt has to name. */
export interface QueueRow {
  readonly submission_id: string;
  readonly kind: SealedKind;
  readonly case_id: string;
  readonly site: string;
  readonly person: string;
  readonly sealed_at: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly digests: Readonly<Record<string, string>>;
  /** How many bytes the server said it holds. */
  readonly offset: number;
  readonly attempts: number;
  readonly refusal: Refusal | null;
  /** When the server was last asked whether what it put aside was taken in after all. */
  readonly asked_at: string | null;
}

/** What has left with a matching receipt: the honest "received" until the feed says more. */
export interface ArrivedRow {
  readonly submission_id: string;
  readonly kind: SealedKind;
  readonly case_id: string;
  readonly received_at: string;
}

export interface DraftRow {
  readonly draft_id: string;
  readonly person: string;
  readonly started_at: string;
  readonly box: Box;
}

export interface DraftPhotoRow {
  readonly photo_id: string;
  readonly draft_id: string;
  readonly facts: Box;
  readonly region: Box;
  readonly context: Box | null;
}

/** `at`: of the visit, so that old ones can be dropped without a key. */
export interface SeenRow {
  readonly person: string;
  readonly case_id: string;
  readonly at: string;
  readonly box: Box;
}

export interface Marks {
  /** When the server last answered this phone or somebody on it. */
  readonly contact_at: string | null;
  /** The latest moment this phone has seen: a clock that is set back opens nothing. */
  readonly latest_at: string | null;
  readonly next_try_at: string | null;
  readonly failures: number;
  readonly session_checked_at: string | null;
  readonly told_unsent: number | null;
}

export interface Schema extends DBSchema {
  device: { key: "device"; value: DeviceRow };
  people: { key: string; value: PersonRow };
  queue: { key: string; value: QueueRow; indexes: { sealed_at: string } };
  blobs: { key: string; value: { readonly submission_id: string; readonly blob: ArrayBuffer } };
  arrived: { key: string; value: ArrivedRow; indexes: { received_at: string } };
  drafts: { key: string; value: DraftRow; indexes: { person: string } };
  draft_photos: { key: string; value: DraftPhotoRow; indexes: { draft_id: string } };
  seen: { key: [string, string]; value: SeenRow; indexes: { person: string } };
  marks: { key: "marks"; value: Marks & { readonly id: "marks" } };
}

export type Database = IDBPDatabase<Schema>;
export type Store = StoreNames<Schema>;

type Upgrade = IDBPTransaction<Schema, Store[], "versionchange">;

/** One step a version, never changed once a phone may have run it; each is tested on what the one before it left. */
export const MIGRATIONS: readonly ((database: Database, tx: Upgrade) => void | Promise<void>)[] = [
  (database) => {
    database.createObjectStore("device", { keyPath: "id" });
    database.createObjectStore("people", { keyPath: "name" });
    database.createObjectStore("queue", { keyPath: "submission_id" }).createIndex("sealed_at", "sealed_at");
    database.createObjectStore("blobs", { keyPath: "submission_id" });
    database.createObjectStore("drafts", { keyPath: "draft_id" }).createIndex("person", "person");
    database.createObjectStore("draft_photos", { keyPath: "photo_id" }).createIndex("draft_id", "draft_id");
    database.createObjectStore("seen", { keyPath: ["person", "case_id"] }).createIndex("person", "person");
    database.createObjectStore("marks", { keyPath: "id" });
  },
  (database) => {
    database.createObjectStore("arrived", { keyPath: "submission_id" }).createIndex("received_at", "received_at");
  },
];

/**
 * @param version of the schema; another than the newest in tests alone
 * @param onNewer another tab wants to upgrade: this one has let go of the database when it is called
 */
export function openDatabase(onNewer: () => void = () => {}, version = MIGRATIONS.length): Promise<Database> {
  return openDB<Schema>(NAME, version, {
    async upgrade(database, from, to, tx) {
      for (const migrate of MIGRATIONS.slice(from, to ?? undefined)) await migrate(database, tx as Upgrade);
    },
    blocking(_current, _blocked, event) {
      (event.target as IDBDatabase).close();
      onNewer();
    },
  });
}

/** A write that is on the disk when the promise resolves: a battery may die a moment later. */
export const DURABLE: IDBTransactionOptions = { durability: "strict" };

/** Change some facts of one row, if it is there, and nothing that somebody else changes at the same time. */
export async function patch<S extends "device" | "people" | "queue">(
  database: Database,
  store: S,
  key: Schema[S]["key"],
  what: Partial<Schema[S]["value"]>,
): Promise<void> {
  const tx = database.transaction(store, "readwrite", DURABLE);
  const row = await tx.store.get(key);
  if (row) await tx.store.put({ ...row, ...what } as Schema[S]["value"]);
  await tx.done;
}

const NO_MARKS: Marks = {
  contact_at: null,
  latest_at: null,
  next_try_at: null,
  failures: 0,
  session_checked_at: null,
  told_unsent: null,
};

export async function marksOf(database: Database): Promise<Marks> {
  return (await database.get("marks", "marks")) ?? NO_MARKS;
}

export async function mark(database: Database, change: Partial<Marks>): Promise<void> {
  const tx = database.transaction("marks", "readwrite");
  const found = (await tx.store.get("marks")) ?? NO_MARKS;
  await tx.store.put({ ...found, ...change, id: "marks" });
  await tx.done;
}

/** Everything that was ever here. */
export async function wipe(database: Database): Promise<void> {
  const tx = database.transaction([...database.objectStoreNames], "readwrite", DURABLE);
  await Promise.all([...database.objectStoreNames].map((name) => tx.objectStore(name).clear()));
  await tx.done;
}
