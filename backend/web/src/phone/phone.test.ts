import "fake-indexeddb/auto";
import { signal } from "@preact/signals";
import { IDBFactory } from "fake-indexeddb";
import { base64url, compactDecrypt, importJWK } from "jose";
import { beforeEach, expect, test, vi } from "vitest";
import { compactOf, facts, holds, keyPair, NOW, photo, SITE, TheServer } from "../../tests/a";
import type { Phone } from "../port";
import { type Database, openDatabase } from "../queue/database";
import { digestOf } from "../sealing/digest";
import type { SealingKey } from "../sealing/seal";
import { openKey, type PinLock } from "../vault/pin";
import { type Core, openCore } from "./core";
import { phoneOf } from "./open";
import { senderOf } from "./sender";
import type { Shell } from "./shell";

const PIN = "271828";
const CHEAP = { memory_kib: 64, passes: 1 }; // the real cost is vault.test.ts's
const DAY_MS = 86_400_000;
let server: TheServer;
let database: Database;
let clock: Date;
let keys: Awaited<ReturnType<typeof keyPair>>;

beforeEach(async () => {
  globalThis.indexedDB = new IDBFactory();
  vi.stubGlobal("navigator", { locks: { request: (_: string, __: object, work: (lock: object) => unknown) => work({}) } });
  vi.stubGlobal("location", { origin: "https://pallor.example.org" });
  clock = NOW;
  keys = await keyPair();
  server = new TheServer(keys.key);
});

test("a case that is being taken is there again after the browser was killed, photos and all", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  const draft = await phone.startDraft(SITE);
  await phone.saveDraft(draft.draft_id, { ...draft.facts, subject_code: "A-017", step: "camera" });
  const taken = photo();
  await phone.keepPhoto(draft.draft_id, taken);

  const again = await aPhone();
  expect([again.drafts.value, again.session.value, again.people.value]).toEqual([
    [],
    null,
    [{ name: "nurse-12", has_pin: true, tries_left: 10 }],
  ]);
  server.away = true;
  expect(await again.unlock("nurse-12", PIN)).toEqual({ is: "in" });
  const [found] = again.drafts.value;
  expect(found).toMatchObject({ draft_id: draft.draft_id, facts: { subject_code: "A-017", step: "camera" } });
  const bytes = await (await again.photoOf(draft.draft_id, taken.photo_id)).arrayBuffer();
  expect(await digestOf(new Uint8Array(bytes))).toBe(await digestOf(new Uint8Array(await taken.region.arrayBuffer())));
});

test("what is typed quickly is kept in order", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  const { draft_id } = await phone.startDraft(SITE);
  await Promise.all(["A", "A-", "A-0", "A-01"].map((subject_code) => phone.saveDraft(draft_id, { subject_code })));
  expect(phone.drafts.value[0]?.facts.subject_code).toBe("A-01");
});

test("offline, a finished case is sealed and waits; the draft is gone and nothing here opens the seal", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  const taken = photo(5_000);
  const case_id = await takeCase(phone, [taken]);
  expect(phone.drafts.value).toEqual([]);
  expect(phone.queue.value).toMatchObject([{ kind: "case", case_id, subject_code: "A-017" }]);
  expect(phone.cases.value).toMatchObject([{ case_id, mine: true, state: { is: "queued" } }]);
  expect(phone.sending.value).toMatchObject({ all_sent: false, waiting: 1 });
  for (const readable of ["A-017", "care-en-1", new Uint8Array(await taken.region.arrayBuffer()).slice(0, 64)])
    expect(await holds(database, readable)).toBe(false);
});

test("with everything that the phone has, its PIN included, a seal does not open", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  await takeCase(phone, [photo(500)]);
  const [row] = await database.getAll("blobs");
  const compact = compactOf(new Uint8Array(row?.blob ?? new ArrayBuffer()));
  const site = (await database.get("device", "device"))?.sites[0]?.key as SealingKey;
  const person = await database.get("people", "nurse-12");
  const key = (await openKey(person?.lock as PinLock, PIN)) as CryptoKey;
  expect(site.d).toBeUndefined();
  await expect(compactDecrypt(compact, await importJWK({ ...site, kty: "EC" }, "ECDH-ES"))).rejects.toThrow();
  const [, , iv = "", ciphertext = "", tag = ""] = compact.split(".");
  const sealed = new Uint8Array([...base64url.decode(ciphertext), ...base64url.decode(tag)]);
  const gcm = { name: "AES-GCM", iv: base64url.decode(iv).slice() };
  await expect(crypto.subtle.decrypt(gcm, key, sealed)).rejects.toThrow();
  expect(await opened(row?.blob ?? new ArrayBuffer())).toMatchObject({ kind: "case" }); // and the server opens it
});

test("what is sealed is what was taken; the crop around it goes along with consent to training alone", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  const context = { photo_id: crypto.randomUUID(), image: photo(800).region };
  const taken = photo(1_000, { context });
  await takeCase(phone, [taken]);
  await takeCase(phone, [{ ...taken, photo_id: crypto.randomUUID() }], true);
  const headers = await Promise.all((await database.getAll("blobs")).map((row) => opened(row.blob)));
  const roles = headers.map(({ parts }) => parts.map((part: { role: string }) => part.role));
  expect(roles.sort()).toEqual([["roi"], ["roi", "context"]]);
  expect(headers[0].body).toMatchObject({ subject_code: "A-017", subject: { age_months: 30, sex: "female" } });
  expect(headers[0].body.step).toBeUndefined();
});

test("what cannot be written whole is not written at all, and can be finished later", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (this: IDBObjectStore, ...given) {
    if (this.name === "blobs") throw new DOMException("full", "QuotaExceededError");
    return put.apply(this, given);
  };
  const refused = await takeCase(phone, [photo(100)]).catch((error: unknown) => error);
  IDBObjectStore.prototype.put = put;
  expect(refused).toMatchObject({ code: "storage-full" });
  expect([phone.drafts.value.length, await database.count("queue")]).toEqual([1, 0]);
  await phone.finishDraft(phone.drafts.value[0]?.draft_id ?? "");
  expect([phone.drafts.value.length, await database.count("queue"), await database.count("blobs")]).toEqual([0, 1, 1]);
});

test("back online it is sent, received, and the feed says the rest", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  const case_id = await takeCase(phone, [photo()]);
  await phone.sendNow();
  expect([phone.sending.value.pause, phone.contact.value.is]).toEqual(["offline", "offline"]);
  server.away = false;
  await phone.sendNow();
  expect(phone.cases.value).toMatchObject([{ case_id, state: { is: "received" } }]);
  expect(phone.sending.value).toMatchObject({ all_sent: true, pause: null });
  server.changes.push({ case_id, status: "confirmed", alert: ALERT, label: { hb_value: "6.1" } });
  await phone.sendNow();
  expect(phone.cases.value).toMatchObject([{ case_id, mine: true, state: { is: "confirmed" }, label: { hb_value: "6.1" } }]);
  expect(phone.tasks.value).toMatchObject([{ is: "alert", subject_code: "A-017" }]);
  server.away = true;
  await phone.acknowledge(case_id, ALERT.result_id);
  expect(phone.tasks.value).toEqual([]);
  expect(phone.cases.value[0]?.waiting).toEqual(["acknowledgement"]);
});

test("what the server refused comes back as a task; its facts can begin a new case", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.refuse = "subject-implausible";
  const case_id = await takeCase(phone, [photo()]);
  await phone.sendNow();
  const [task] = phone.tasks.value;
  expect(task).toMatchObject({ is: "refused", case_id, refusal: { code: "subject-implausible", kept_by_server: true } });
  expect(phone.cases.value).toMatchObject([{ state: { is: "put-aside" } }]);
  expect(phone.sending.value).toMatchObject({ all_sent: false, put_aside: 1 });
  const { submission_id } = phone.queue.value[0] ?? { submission_id: "" };
  const draft = await phone.draftFrom(submission_id);
  expect(draft).toMatchObject({ facts: { subject_code: "A-017" }, photos: [] });
  expect(draft.case_id).not.toBe(case_id);
  await phone.discard(submission_id);
  expect([phone.queue.value, phone.cases.value]).toEqual([[], []]);
});

test("ten wrong PINs drop the key of history and drafts, never the queue", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  await takeCase(phone, [photo(100)]);
  await phone.startDraft(SITE);
  phone.lock();
  expect([phone.cases.value, phone.drafts.value]).toEqual([[], []]);
  for (let left = 9; left > 0; left--)
    expect(await phone.unlock("nurse-12", "000001")).toEqual({ is: "wrong", tries_left: left });
  expect(await phone.unlock("nurse-12", "000001")).toEqual({ is: "dropped" });
  expect(await phone.unlock("nurse-12", PIN)).toEqual({ is: "dropped" });
  expect(phone.people.value).toEqual([{ name: "nurse-12", has_pin: false, tries_left: 0 }]);
  expect([await database.count("seen"), await database.count("drafts"), await database.count("queue")]).toEqual([0, 0, 1]);
  server.away = false;
  await phone.sendNow();
  expect(phone.sending.value.all_sent).toBe(true);
});

test("what is said later of a case is seen at once, also without a network", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  const case_id = await takeCase(phone, [photo(100)], true);
  await phone.followUp(case_id, "reached");
  await phone.sayConsent(case_id, { purpose: "training", given: false, at: NOW.toISOString(), wording: "training-en-1" });
  expect(phone.cases.value[0]).toMatchObject({
    follow_up: { state: "reached" },
    consent: { care: true, training: false },
    waiting: expect.arrayContaining(["follow-up", "consent"]),
  });
});

test("two people on one phone see nothing of each other's", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  await takeCase(phone, [photo(100)]);
  await phone.startDraft(SITE);
  server.away = false;
  phone.lock();
  await comeIn(phone, "nurse-13", "314159");
  expect([phone.drafts.value, phone.cases.value]).toEqual([[], []]);
  phone.lock();
  await phone.unlock("nurse-12", PIN);
  expect([phone.drafts.value.length, phone.cases.value.length]).toEqual([1, 1]);
});

test("a one-time password is changed first; a known PIN is asked for, not made anew", async () => {
  const phone = await aPhone();
  await phone.enrol("7K2QH-93XVB");
  server.one_time = true;
  expect(await phone.signIn("Nurse-12 ", "one time")).toBe("new-password");
  await expect(phone.choosePin(PIN)).rejects.toMatchObject({ code: "sign-in-first" });
  expect(await phone.choosePassword("one time", "correct horse")).toBe("new-pin");
  await phone.choosePin(PIN);
  phone.lock();
  expect(await phone.signIn("nurse-12", "correct horse")).toBe("pin");
  expect(await phone.unlock("nurse-12", PIN)).toEqual({ is: "in" });
});

test("another PIN opens what the old one closed", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  await phone.startDraft(SITE);
  await phone.changePin(PIN, "161803");
  await expect(phone.changePin(PIN, "314159")).rejects.toMatchObject({ code: "pin-wrong" });
  phone.lock();
  expect(await phone.unlock("nurse-12", PIN)).toMatchObject({ is: "wrong" });
  expect(await phone.unlock("nurse-12", "161803")).toEqual({ is: "in" });
  expect(phone.drafts.value).toHaveLength(1);
});

test("30 days without the server lock the history; taking cases goes on, and contact opens it again", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  await takeCase(phone, [photo(100)]);
  await phone.sendNow();
  server.away = true;
  clock = new Date(NOW.getTime() + 31 * DAY_MS);
  const later = await aPhone();
  await later.unlock("nurse-12", PIN);
  expect([later.historyLocked.value, later.cases.value]).toEqual([true, []]);
  const case_id = await takeCase(later, [photo(100)]);
  clock = NOW; // a clock that is set back opens nothing
  const back = await aPhone();
  await back.unlock("nurse-12", PIN);
  expect(back.historyLocked.value).toBe(true);
  clock = new Date(NOW.getTime() + 31 * DAY_MS);
  server.away = false;
  await later.sendNow();
  expect(later.historyLocked.value).toBe(false);
  expect(later.cases.value.map((known) => known.case_id)).toContain(case_id);
});

test("a clock that ran a year ahead locks nothing once it is right and the server was heard", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  clock = new Date(NOW.getTime() + 365 * DAY_MS);
  await (await aPhone()).sendNow();
  clock = NOW;
  server.away = false;
  const sender = senderOf(await openCore(database, server.request, () => clock, CHEAP), () => 0, async () => {});
  await sender.roundIfDue();
  expect(await database.get("marks", "marks")).toMatchObject({ failures: 0, next_try_at: null }); // it did not wait for the year to be over
  const later = await aPhone();
  await later.unlock("nurse-12", PIN);
  expect(later.historyLocked.value).toBe(true);
  await later.sendNow();
  expect(later.historyLocked.value).toBe(false);
});

test("a phone that asks nobody claims no contact", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  phone.lock();
  server.away = true;
  const again = await aPhone();
  await again.sendNow();
  expect(again.contact.value).toEqual({ is: "unknown", last_at: NOW.toISOString() });
});

test("somebody whom the server does not know any more reads nothing new, and delivers all the same", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.gone = "nurse-12";
  await takeCase(phone, [photo(100)]);
  await phone.sendNow();
  expect([phone.session.value?.sign_in_again, phone.sending.value.all_sent]).toEqual([true, true]);
  expect(phone.tasks.value).toEqual([{ is: "sign-in-again" }]);
});

test("what nobody would take in a person's name goes on its way when they sign in", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.refuse = "person-unknown";
  await takeCase(phone, [photo(100)]);
  await phone.sendNow();
  expect(phone.sending.value.put_aside).toBe(1);
  server.refuse = null;
  expect(await phone.signIn("nurse-12", "correct horse")).toBe("in");
  await phone.sendNow();
  expect(phone.sending.value.all_sent).toBe(true);
});

test("a login page that speaks JSON is a login page", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  phone.lock();
  server.portal = true;
  await expect(phone.signIn("nurse-12", "correct horse")).rejects.toMatchObject({ code: "portal" });
  await phone.sendNow();
  expect(phone.people.value).toHaveLength(1);
});

test("a stolen phone wipes itself when it next asks", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.away = true;
  await takeCase(phone, [photo(100)]);
  server.away = false;
  server.stolen = true;
  await phone.sendNow();
  expect([phone.wiped.value, phone.device.value, phone.session.value]).toEqual([true, null, null]);
  for (const store of database.objectStoreNames) expect([store, await database.count(store)]).toEqual([store, 0]);
  expect(server.told).toEqual({ unsent_cases: 1, wiped: true });
});

test("a case that cannot be is not sealed, and says which field is wrong", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  const { draft_id } = await phone.startDraft(SITE);
  const fault = await phone.finishDraft(draft_id).catch((error: unknown) => error);
  expect(fault).toMatchObject({ code: "draft-unfit" });
  expect((fault as { faults: { field: string }[] }).faults.map(({ field }) => field).sort()).toEqual(
    ["consent.care", "subject.age_months", "subject.sex", "subject_code"],
  );
  expect(phone.drafts.value).toHaveLength(1);
});

test("a phone that the server does not know any more says so at once, is enrolled again, and has lost nothing", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  server.unknown = true;
  await takeCase(phone, [photo(100)]);
  await phone.startDraft(SITE);
  await phone.sendNow();
  expect(phone.tasks.value).toEqual([{ is: "enrol-again" }, { is: "sign-in-again" }]);
  server.unknown = false;
  await phone.enrol("7K2QH-93XVC");
  expect([phone.sending.value.all_sent, phone.drafts.value.length, phone.cases.value.length]).toEqual([true, 1, 1]);
  expect(await phone.signIn("nurse-12", "correct horse")).toBe("in");
  expect(phone.tasks.value).toEqual([]);
});

test("the screens see no token", async () => {
  const phone = await aPhone();
  await comeIn(phone);
  expect(JSON.stringify([phone.device.value, phone.session.value, phone.people.value])).not.toContain("token");
});

async function aPhone(): Promise<Phone> {
  database = await openDatabase();
  const core: Core = await openCore(database, server.request, () => clock, CHEAP);
  return phoneOf(core, senderOf(core, () => 0, async () => {}), A_SHELL);
}

async function comeIn(phone: Phone, name = "nurse-12", pin = PIN): Promise<void> {
  if (!phone.device.value) await phone.enrol("7K2QH-93XVB");
  expect(await phone.signIn(name, "correct horse")).toBe("new-pin");
  await phone.choosePin(pin);
  await phone.sendNow();
}

async function takeCase(phone: Phone, photos: ReturnType<typeof photo>[], training = false): Promise<string> {
  const draft = await phone.startDraft(SITE);
  const said = { given_at: NOW.toISOString(), wording: "care-en-1" };
  const consent = { care: said, training: training ? said : null };
  await phone.saveDraft(draft.draft_id, facts({ visited_at: clock.toISOString(), consent, step: "done" }));
  for (const each of photos) await phone.keepPhoto(draft.draft_id, each);
  return phone.finishDraft(draft.draft_id);
}

/** The header of what a blob holds, by the private half that only the server has. */
async function opened(blob: ArrayBuffer) {
  const { plaintext } = await compactDecrypt(compactOf(new Uint8Array(blob)), keys.opens);
  const length = new DataView(plaintext.buffer, plaintext.byteOffset).getUint32(8);
  return JSON.parse(new TextDecoder().decode(plaintext.subarray(12, 12 + length)));
}

const ALERT = { result_id: "r-1", since: NOW.toISOString(), acknowledged_at: null, escalated_at: null };

const A_SHELL: Shell = {
  updateReady: signal(false),
  storage: signal({ used_bytes: 0, quota_bytes: 0, persisted: null, low: false }),
  takeUpdate: async () => {},
  askToPersist: async () => false,
  measure: async () => {},
  sendLater: async () => {},
};
