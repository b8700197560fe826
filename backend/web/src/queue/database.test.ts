import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test } from "vitest";
import { type Database, mark, marksOf, MIGRATIONS, openDatabase, type Store, wipe } from "./database";

const VERSIONS = MIGRATIONS.map((_, at) => at + 1);
// One row of each store, as a phone of that version has it. A migration that changes a row's shape brings its old one.
const ROWS: Readonly<Record<Store, object>> = {
  device: { id: "device", token: "t", name: "phone-1", sites: [] },
  people: { name: "nurse-12", lock: null, tries_left: 10, signed_in: null, cursor: null },
  queue: { submission_id: "s", case_id: "c", sealed_at: "2026-11-27T20:00:00.000Z", refusal: null },
  blobs: { submission_id: "s", blob: new Uint8Array([1, 2, 3]).buffer },
  arrived: { submission_id: "a", received_at: "2026-11-27T20:00:00.000Z" },
  drafts: { draft_id: "d", person: "nurse-12" },
  draft_photos: { photo_id: "p", draft_id: "d" },
  seen: { person: "nurse-12", case_id: "c" },
  marks: { id: "marks", failures: 3 },
};

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

test.each(VERSIONS)("a phone of version %i loses nothing on the way to the newest", async (version) => {
  const old = await openDatabase(undefined, version);
  const there = [...old.objectStoreNames];
  for (const store of there) await old.put(store, ROWS[store] as never);
  old.close();
  const database = await openDatabase();
  expect([...database.objectStoreNames].sort()).toEqual(Object.keys(ROWS).sort());
  for (const store of there) expect(await database.getAll(store)).toEqual([ROWS[store]]);
  await everyIndexWorks(database);
});

test("an older tab lets go of the database when a newer one wants to change it", async () => {
  let told = false;
  await openDatabase(() => (told = true), 1);
  await openDatabase();
  expect(told).toBe(true);
});

test("marks change one by one", async () => {
  const database = await openDatabase();
  await mark(database, { failures: 2 });
  await mark(database, { contact_at: "2026-11-27T20:00:00.000Z" });
  expect(await marksOf(database)).toMatchObject({ failures: 2, contact_at: "2026-11-27T20:00:00.000Z", latest_at: null });
});

test("wiping leaves nothing", async () => {
  const database = await openDatabase();
  for (const store of database.objectStoreNames) await database.put(store, ROWS[store] as never);
  await wipe(database);
  for (const store of database.objectStoreNames) expect(await database.count(store)).toBe(0);
});

async function everyIndexWorks(database: Database): Promise<void> {
  expect(await database.countFromIndex("queue", "sealed_at")).toBe(1);
  expect(await database.countFromIndex("drafts", "person", "nurse-12")).toBe(1);
  expect(await database.countFromIndex("draft_photos", "draft_id", "d")).toBe(1);
  expect(await database.countFromIndex("seen", "person", "nurse-12")).toBe(1);
}
