import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test } from "vitest";
import { openDatabase } from "../queue/database";
import { close, closeJson, open, openJson } from "./box";
import { checkPin, COST, makeKey, openKey, rewrap } from "./pin";
import { forget, MOST_CASES, prune, recall, remember, type SeenCase, tooMany } from "./seen";

const NOW = new Date("2026-11-27T20:00:00.000Z");

beforeEach(() => {
  globalThis.indexedDB = new IDBFactory();
});

test("a box opens with its key, in its place, unchanged; and not otherwise", async () => {
  const [key, other] = [await aKey(), await aKey()];
  const box = await closeJson(key, "drafts/1", { subject_code: "A-017" });
  expect(await openJson(key, "drafts/1", box)).toEqual({ subject_code: "A-017" });
  await expect(open(other, "drafts/1", box)).rejects.toThrow();
  await expect(open(key, "drafts/2", box)).rejects.toThrow();
  new Uint8Array(box.data)[0]! ^= 1;
  await expect(open(key, "drafts/1", box)).rejects.toThrow();
});

test("no two boxes of the same thing are alike", async () => {
  const key = await aKey();
  const [one, two] = [await close(key, "p", new Uint8Array(4)), await close(key, "p", new Uint8Array(4))];
  expect(new Uint8Array(one.data)).not.toEqual(new Uint8Array(two.data));
});

test("the right PIN gives the key, which nothing can export; a wrong one gives none", async () => {
  const { lock, key } = await makeKey("271828", COST);
  const again = await openKey(lock, "271828");
  expect(await openKey(lock, "271829")).toBeNull();
  expect(again?.extractable).toBe(false);
  expect(key.extractable).toBe(false);
  const box = await closeJson(key, "here", 1);
  expect(await openJson(again as CryptoKey, "here", box)).toBe(1);
  expect(lock).toMatchObject({ memory_kib: 32 * 1024, passes: 3 });
});

test("another PIN wraps the same key: what lies under it stays", async () => {
  const { lock, key } = await makeKey("271828", { memory_kib: 64, passes: 1 });
  const box = await closeJson(key, "here", "kept");
  const next = await rewrap(lock, "271828", "314159");
  const found = next && (await openKey(next, "314159"));
  expect(await openJson(found as CryptoKey, "here", box)).toBe("kept");
  expect(next && (await openKey(next, "271828"))).toBeNull();
  expect(await rewrap(lock, "000001", "314159")).toBeNull();
});

test.each([
  ["12345", "pin-short"],
  ["12345a", "pin-not-digits"],
  ["000000", "pin-easy"],
  ["123456", "pin-easy"],
  ["987654", "pin-easy"],
  ["890123", "pin-easy"],
  ["121212", "pin-easy"],
  ["123123", "pin-easy"],
])("%s is no PIN: %s", (pin, code) => {
  expect(() => checkPin(pin)).toThrow(expect.objectContaining({ code }));
});

test.each(["271828", "135790", "112358", "00112233445"])("%s is one", (pin) => {
  expect(() => checkPin(pin)).not.toThrow();
});

test("what was seen is there again for whoever has the key, and each has their own", async () => {
  const database = await openDatabase();
  const [hers, his] = [await aKey(), await aKey()];
  await remember(database, hers, "nurse-12", [seen("a"), seen("b")]);
  await remember(database, his, "nurse-13", [seen("a")]);
  expect((await recall(database, hers, "nurse-12")).map((each) => each.case_id)).toEqual(["a", "b"]);
  expect(await recall(database, his, "nurse-13")).toEqual([seen("a")]);
  await forget(database, ["a"]);
  expect((await recall(database, hers, "nurse-12")).map((each) => each.case_id)).toEqual(["b"]);
  expect(await recall(database, his, "nurse-13")).toEqual([]);
});

test("what is older than 90 days leaves without a key", async () => {
  const database = await openDatabase();
  const key = await aKey();
  await remember(database, key, "nurse-12", [seen("old", "2026-08-29T19:00:00.000Z"), seen("young", "2026-08-30T00:00:00.000Z")]);
  await prune(database, NOW);
  expect((await recall(database, key, "nurse-12")).map((each) => each.case_id)).toEqual(["young"]);
});

test("of more than 2 000 cases the oldest leave, each person's by themselves", () => {
  const at = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000).toISOString();
  const rows = Array.from({ length: MOST_CASES + 2 }, (_, number) => ({ person: "nurse-12", at: at(number) }));
  const other = { person: "nurse-13", at: at(100_000) };
  expect(tooMany([...rows, other], NOW)).toEqual(rows.slice(-2));
});

function aKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

function seen(case_id: string, visited_at = NOW.toISOString()): SeenCase {
  return { case_id, visited_at, subject_code: "A-017" } as SeenCase;
}
