import "fake-indexeddb/auto";
import { IDBFactory } from "fake-indexeddb";
import { beforeEach, expect, test } from "vitest";
import { answered, deviceRow, keyPair, NOW, refused, SITE, waitingRow } from "../../tests/a";
import { type Database, openDatabase } from "../queue/database";
import { type Answer, NoAnswer, type Request } from "./client";
import { enrol, readCode, refreshDevice, tellQueue, wipeStolen } from "./device";

const HERE = "https://pallor.example.org";
let database: Database;

beforeEach(async () => {
  globalThis.indexedDB = new IDBFactory();
  database = await openDatabase();
});

test.each([
  ["7K2QH-93XVB", "7K2QH93XVB"],
  [" 7k2qh 93xvb ", "7K2QH93XVB"],
  ["OIL23-45678", "0112345678"],
  [`${HERE}/enrol#code=7K2QH-93XVB`, "7K2QH93XVB"],
  [`${HERE}/enrol#code=7K2QH-93XVB&root=sha256:aa`, "7K2QH93XVB"],
])("%s is a code", (typed, code) => {
  expect(readCode(typed, HERE)).toBe(code);
});

test.each(["", "7K2QH", "7K2QH-93XVU", "https://", `${HERE}/enrol`, `${HERE}/somewhere#code=7K2QH-93XVB`])(
  "%s is none",
  (typed) => {
    expect(() => readCode(typed, HERE)).toThrow(expect.objectContaining({ code: "code-unreadable" }));
  },
);

test("a link to another server is opened there", () => {
  const elsewhere = "https://other.example.org/enrol#code=7K2QH-93XVB";
  const fault = { code: "link-elsewhere", detail: "https://other.example.org" };
  expect(() => readCode(elsewhere, HERE)).toThrow(expect.objectContaining(fault));
});

test("enrolled, the phone knows its name, its sites and, once asked, their keys", async () => {
  const { key } = await keyPair();
  const server = answering({
    "POST /enrolments": enrolment("phone"),
    "GET /session": session(),
    "GET /sealing-keys": answered(200, { keys: [{ site: SITE, jwk: key, altitude_m: 250 }] }),
  });
  await enrol(database, server.request, "7K2QH93XVB");
  expect(await refreshDevice(database, server.request, NOW)).toBe("known");
  expect(await database.get("device", "device")).toMatchObject({
    name: "clinic-a-phone-1",
    token: "fresh",
    state: "active",
    sites: [{ code: SITE, practice: true, altitude_m: 250, key }],
  });
  expect(await refreshDevice(database, server.request, NOW)).toBe("known"); // and asks nobody for six hours
  expect(server.asked).toHaveLength(3);
});

test("a code for another kind of device, a code that is over, a login page: each says what it is", async () => {
  const said = (answer: Answer) => enrol(database, async () => answer, "7K2QH93XVB");
  await expect(said(enrolment("node"))).rejects.toMatchObject({ code: "code-refused" });
  await expect(said(refused(409, "code-used"))).rejects.toMatchObject({ code: "code-refused" });
  const portal: Request = () => Promise.reject(new NoAnswer("portal"));
  await expect(enrol(database, portal, "7K2QH93XVB")).rejects.toMatchObject({ code: "portal" });
  expect(await database.get("device", "device")).toBeUndefined();
});

test("a token near its end is renewed, and the new one is on the disk before it is used", async () => {
  await database.put("device", deviceRow());
  const soon = new Date(NOW.getTime() + 86_400_000).toISOString();
  const server = answering({
    "GET /session": session({ expires_at: soon }),
    "GET /sealing-keys": answered(200, { keys: [] }),
    "POST /session/rotation": answered(200, { token: "next", expires_at: "2027-11-27T20:00:00.000Z" }),
  });
  await refreshDevice(database, server.request, NOW);
  expect(await database.get("device", "device")).toMatchObject({ token: "next" });
});

test("a key that the server does not name today is kept from yesterday", async () => {
  const { key } = await keyPair();
  await database.put("device", deviceRow(key));
  const server = answering({ "GET /session": session(), "GET /sealing-keys": refused(404, "not-found") });
  await refreshDevice(database, server.request, NOW);
  expect((await database.get("device", "device"))?.sites[0]?.key).toEqual(key);
});

test.each([
  ["stolen", session({ state: "stolen" })],
  ["stolen", refused(403, "device-stolen")],
  ["unknown", refused(401, "token-unknown")],
])("the server says that it is %s", async (standing, answer) => {
  await database.put("device", deviceRow());
  expect(await refreshDevice(database, async () => answer, NOW)).toBe(standing);
});

test("a stolen phone deletes everything, then says what it had not sent", async () => {
  await database.put("device", deviceRow());
  await waitingRow(database);
  await waitingRow(database, 10, { kind: "amendment" });
  const told: unknown[] = [];
  await wipeStolen(database, async (path, ask) => {
    told.push([path, ask?.json, await database.count("queue"), await database.count("blobs")]);
    return answered(200, {});
  });
  expect(told).toEqual([["/device/queue", { unsent_cases: 1, wiped: true }, 0, 0]]);
  expect(await database.get("device", "device")).toBeUndefined();
});

test("how many cases wait is told when it has changed, not every time", async () => {
  const server = answering({ "PUT /device/queue": answered(200, {}) });
  for (let round = 0; round < 3; round++) await tellQueue(database, server.request, deviceRow());
  await waitingRow(database);
  await tellQueue(database, server.request, deviceRow());
  expect(server.asked).toHaveLength(2);
});

function enrolment(kind: string): Answer {
  const said = { token: "fresh", device: "clinic-a-phone-1", kind, sites: [SITE], world: "synthetic", url: HERE };
  return answered(201, said);
}

function session(change: object = {}): Answer {
  const said = { state: "active", sites: [SITE], practice_sites: [SITE], expires_at: "2027-11-27T20:00:00.000Z" };
  return answered(200, { ...said, ...change });
}

function answering(answers: Readonly<Record<string, Answer>>): { request: Request; asked: string[] } {
  const asked: string[] = [];
  const request: Request = async (path, ask) => {
    const what = `${ask?.method ?? "GET"} ${path}`;
    asked.push(what);
    const answer = answers[what];
    if (!answer) throw new Error(`nobody expected ${what}`);
    return answer;
  };
  return { request, asked };
}
