import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test } from "vitest";
import { answered, deviceRow, lineTo, NOW, refused, SealedDoor, waitingRow } from "../../tests/a";
import { type Answer, NoAnswer } from "../server/client";
import { type Database, openDatabase } from "./database";
import { putAside, waiting } from "./queue";
import { askAgain, Halted, judge, sendAll } from "./send";

let database: Database;

beforeEach(async () => {
  globalThis.indexedDB = new IDBFactory();
  database = await openDatabase();
});

const rows = () => waiting(database);

test("what is sealed leaves when its receipt names every digest", async () => {
  const row = await waitingRow(database, 200_000);
  const door = new SealedDoor(rows);
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(1);
  expect(await rows()).toEqual([]);
  expect(await database.get("blobs", row.submission_id)).toBeUndefined();
  expect(await database.get("arrived", row.submission_id)).toMatchObject({ case_id: row.case_id, kind: "case" });
  expect(door.sent).toBe(200_000);
});

test("over a line that cuts every few kilobytes all of it arrives, and hardly a byte is sent twice", async () => {
  for (let made = 0; made < 5; made++) await waitingRow(database, 150_000);
  let cuts = 0;
  const door = new SealedDoor(rows, (_, bytes) => {
    const budget = 8_000 + ((cuts * 7_919) % 56_000);
    if (bytes <= budget) return null;
    cuts += 1;
    return budget;
  });
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(5);
  expect(cuts).toBeGreaterThan(10);
  expect(door.sent).toBeLessThan(1.05 * 750_000);
});

test("a proxy that keeps nothing of a cut piece gets smaller ones", async () => {
  await waitingRow(database, 150_000);
  const sizes: number[] = [];
  const door = new SealedDoor(rows, (_, bytes) => {
    if (bytes > 0) sizes.push(bytes);
    return bytes > 20_000 ? 0 : null;
  });
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(1);
  expect(sizes.filter((size) => size > 20_000).length).toBeLessThan(5);
});

test("a login page and a tired proxy are asked again, and are never a receipt", async () => {
  await waitingRow(database, 10_000);
  const odd = [new NoAnswer("portal"), new NoAnswer("server-away"), null];
  const door = new SealedDoor(rows, () => odd.shift() ?? null);
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(1);
});

test("when nobody answers the round ends, and everything is still here", async () => {
  await waitingRow(database);
  const line = lineTo(database, async () => Promise.reject(new NoAnswer("offline")));
  await expect(sendAll(line, deviceRow())).rejects.toMatchObject({ why: "offline" });
  expect(await rows()).toHaveLength(1);
  expect(await database.count("blobs")).toBe(1);
});

test("a receipt that does not name a photo's digest keeps the record here", async () => {
  const row = await waitingRow(database);
  const short = { submission_id: row.submission_id, sealed_sha256: row.sha256, case_id: row.case_id, state: "received" };
  const said = answered(201, { ...short, received_at: NOW.toISOString(), digests: {} });
  await expect(sendAll(lineTo(database, async () => said), deviceRow())).rejects.toBeInstanceOf(Halted);
  expect(await rows()).toHaveLength(1);
});

test("a poison record is put aside with its reason, and the rest go on", async () => {
  const poison = await waitingRow(database, 1_000, { sealed_at: "2026-11-27T19:00:00.000Z" });
  await waitingRow(database);
  const no = refused(422, "subject-code-unfit", { sealed: "put-aside" });
  const door = new SealedDoor(rows, () => null, (row) => (row.submission_id === poison.submission_id ? no : null));
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(1);
  const [left] = await rows();
  expect(left?.refusal).toMatchObject({ code: "subject-code-unfit", kept_by_server: true });
  expect(await database.count("blobs")).toBe(1);
});

test("what an administrator took in after all leaves; the server is asked at most once an hour", async () => {
  const row = await waitingRow(database);
  const refusal = { code: "no", title: "no", faults: [], at: NOW.toISOString(), kept_by_server: true };
  await putAside(database, row.submission_id, refusal);
  const { submission_id, sha256: sealed_sha256, case_id, digests } = row;
  const receipt = { submission_id, sealed_sha256, case_id, digests, state: "received", received_at: NOW.toISOString() };
  const answers = [refused(422, "no", { sealed: "put-aside" }), answered(200, receipt)];
  const at = (minutes: number) =>
    lineTo(database, async () => answers.shift() as Answer, { now: () => NOW.getTime() + minutes * 60_000 });
  for (const minutes of [5, 61, 70]) await askAgain(at(minutes), deviceRow());
  expect([answers.length, (await rows()).length]).toEqual([1, 1]);
  await askAgain(at(122), deviceRow());
  expect(await rows()).toEqual([]);
});

test("nothing about a case goes before the case itself", async () => {
  const first = await waitingRow(database, 1_000, { sealed_at: "2026-11-27T19:00:00.000Z" });
  await waitingRow(database, 100, { case_id: first.case_id, kind: "amendment", digests: {} });
  const door = new SealedDoor(rows, () => null, (row) => (row.kind === "case" ? refused(422, "no") : null));
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(0);
  expect((await rows()).map((row) => row.attempts)).toEqual([1, 0]);
});

test("a clock that was set back sends no amendment before its case", async () => {
  const first = await waitingRow(database);
  await waitingRow(database, 100, { case_id: first.case_id, kind: "amendment", sealed_at: "2026-11-26T00:00:00.000Z" });
  const kinds: string[] = [];
  const door = new SealedDoor(rows, () => null, (row) => {
    kinds.push(row.kind);
    return null;
  });
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(2);
  expect(kinds).toEqual(["case", "amendment"]);
});

test("a 401 pauses: nothing is lost and nothing is put aside", async () => {
  await waitingRow(database);
  const line = lineTo(database, async () => refused(401, "token-unknown"));
  await expect(sendAll(line, deviceRow())).rejects.toMatchObject({ why: "token-refused" });
  expect((await rows()).map((row) => row.refusal)).toEqual([null]);
});

test("when a person's token is refused the phone delivers by its own", async () => {
  await waitingRow(database);
  const door = new SealedDoor(rows);
  const tokens: unknown[] = [];
  const refusedOnes: string[] = [];
  const line = lineTo(
    database,
    async (path, ask) => {
      tokens.push(ask?.token);
      return ask?.token === "her-token" ? refused(401, "token-expired") : door.request(path, ask);
    },
    { tokenOf: () => "her-token", onPersonRefused: (person) => refusedOnes.push(person) },
  );
  expect(await sendAll(line, deviceRow())).toBe(1);
  expect(tokens).toEqual(["her-token", "phone-token"]);
  expect(refusedOnes).toEqual(["nurse-12"]);
});

test("a stolen phone stops at once", async () => {
  await waitingRow(database);
  const line = lineTo(database, async () => refused(403, "device-stolen"));
  await expect(sendAll(line, deviceRow())).rejects.toMatchObject({ why: "stolen" });
});

test("what was erased meanwhile leaves the phone, too", async () => {
  await waitingRow(database);
  expect(await sendAll(lineTo(database, async () => refused(410, "case-erased")), deviceRow())).toBe(0);
  expect(await rows()).toEqual([]);
  expect(await database.count("blobs")).toBe(0);
});

test("a server that does not know this door yet puts nothing aside", async () => {
  const row = await waitingRow(database);
  expect(judge(refused(404, "not-found"), row, false)).toEqual({ is: "unclear" });
  expect(judge(refused(404, "not-found"), { ...row, kind: "amendment" }, false)).toMatchObject({ is: "aside" });
});

test("a record of which the browser lost the bytes stands in nobody's way", async () => {
  const broken = await waitingRow(database, 1_000, { sealed_at: "2026-11-27T19:00:00.000Z" });
  await database.delete("blobs", broken.submission_id);
  await waitingRow(database);
  const door = new SealedDoor(rows);
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(1);
  expect((await rows())[0]?.refusal?.code).toBe("bytes-lost");
});

test("what arrived mangled three times is put aside", async () => {
  await waitingRow(database);
  const door = new SealedDoor(rows, () => null, () => refused(422, "checksum-mismatch"));
  expect(await sendAll(lineTo(database, door.request), deviceRow())).toBe(0);
  expect((await rows())[0]?.refusal?.code).toBe("checksum-mismatch");
});
