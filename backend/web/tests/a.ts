/** Builders, valid by default, and a server that keeps what the real one keeps. */
import { base64url, exportJWK, generateKeyPair } from "jose";
import type { CaptureFacts, DraftFacts, TakenPhoto } from "../src/port";
import { type Database, type DeviceRow, openDatabase, type QueueRow } from "../src/queue/database";
import type { Line } from "../src/queue/send";
import type { SealingKey } from "../src/sealing/seal";
import { type Bytes, digestOf } from "../src/sealing/digest";
import { type Answer, type Ask, NoAnswer, type Request } from "../src/server/client";

export const NOW = new Date("2026-11-27T20:00:00.000Z");
export const SITE = "kumasi-1";

export const A_CAPTURE: CaptureFacts = {
  phone_model: "SM-A047F",
  torch: false,
  exposure_ms: 16,
  iso: 200,
  focus_m: null,
  white_balance_k: null,
  source: "camera",
  handles: [[0.1, 0.4], [0.5, 0.7], [0.9, 0.4]],
};

export function facts(change: Partial<DraftFacts> = {}): DraftFacts {
  return {
    site: SITE,
    subject_code: "A-017",
    visited_at: NOW.toISOString(),
    subject: { age_months: 30, sex: "female" },
    consent: { care: { given_at: NOW.toISOString(), wording: "care-en-1" } },
    ...change,
  };
}

export function photo(size = 2_000, change: Partial<TakenPhoto> = {}): TakenPhoto {
  return {
    photo_id: crypto.randomUUID(),
    captured_at: NOW.toISOString(),
    eye: "left",
    region: new Blob([noise(size)], { type: "image/webp" }),
    context: null,
    capture: A_CAPTURE,
    ...change,
  };
}

export function noise(size: number): Bytes {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65_536)));
  return bytes;
}

/** A site's key pair: the private half only a server has. */
export async function keyPair(): Promise<{ key: SealingKey; opens: CryptoKey }> {
  const { publicKey, privateKey } = await generateKeyPair("ECDH-ES", { crv: "P-256", extractable: true });
  const jwk = await exportJWK(publicKey);
  return { key: { ...jwk, kid: "key-1", use: "enc", alg: "ECDH-ES" } as SealingKey, opens: privateKey as CryptoKey };
}

export function deviceRow(key: SealingKey | null = null): DeviceRow {
  const sites = [{ code: SITE, practice: false, altitude_m: 250, key }];
  const known = { token: "phone-token", token_expires_at: null, name: "clinic-a-phone-1" } as const;
  return { id: "device", ...known, world: "synthetic", state: "active", sites };
}

/** Something sealed that waits; `blob` stands for the ciphertext. */
export async function waitingRow(database: Database, size = 1_000, change: Partial<QueueRow> = {}): Promise<QueueRow> {
  const blob = noise(size);
  const row: QueueRow = {
    submission_id: crypto.randomUUID(),
    kind: "case",
    case_id: crypto.randomUUID(),
    site: SITE,
    person: "nurse-12",
    sealed_at: NOW.toISOString(),
    bytes: size,
    sha256: await digestOf(blob),
    digests: { "photo-1": `sha256:${"ab".repeat(32)}` },
    offset: 0,
    attempts: 0,
    refusal: null,
    asked_at: null,
    ...change,
  };
  await database.put("queue", row);
  await database.put("blobs", { submission_id: row.submission_id, blob: blob.buffer });
  return row;
}

export function lineTo(database: Database, request: Request, change: Partial<Line> = {}): Line {
  return {
    database,
    request,
    now: () => NOW.getTime(),
    pause: async () => {},
    tokenOf: () => null,
    onPersonRefused: () => {},
    onProgress: () => {},
    ...change,
  };
}

export function answered(status: number, body: unknown, more: Partial<Answer> = {}): Answer {
  return { status, body, offset: null, sealed: null, refusal: null, ...more };
}

export function refused(status: number, code: string, more: Partial<Answer> = {}): Answer {
  const refusal = { code, title: code, faults: [], at: NOW.toISOString(), kept_by_server: more.sealed === "put-aside" };
  return answered(status, {}, { refusal, ...more });
}

/** What a line does to a request that carries so many bytes: nothing, or how many get through before it breaks. */
export type Weather = (ask: Ask, bytes: number) => number | NoAnswer | null;

/** Keeps every byte that came and gives a receipt when it has them all, as backend/api/sealed.py does. */
export class SealedDoor {
  readonly held = new Map<string, Uint8Array>();
  readonly receipts = new Map<string, Answer>();
  sent = 0;

  constructor(
    private readonly rows: () => Promise<QueueRow[]>,
    private readonly weather: Weather = () => null,
    private readonly refuse: (row: QueueRow) => Answer | null = () => null,
  ) {}

  readonly request: Request = async (path, ask = {}) => {
    const id = /^\/sealed\/([0-9a-f-]{36})/.exec(path)?.[1] ?? "";
    const piece = ask.bytes ?? new Uint8Array();
    const weather = this.weather(ask, piece.length);
    if (weather instanceof NoAnswer) {
      this.sent += piece.length;
      throw weather;
    }
    const through = weather === null ? piece : piece.subarray(0, weather);
    this.sent += through.length;
    if (ask.method === "PUT") await this.keep(id, Number(ask.headers?.["Upload-Offset"]), through);
    if (weather !== null) throw new NoAnswer("offline");
    return this.answer(id, ask);
  };

  private async keep(id: string, offset: number, piece: Uint8Array): Promise<void> {
    const held = this.held.get(id) ?? new Uint8Array();
    const fresh = piece.subarray(Math.max(0, held.length - offset));
    if (offset > held.length) return;
    const whole = new Uint8Array(held.length + fresh.length);
    whole.set(held);
    whole.set(fresh, held.length);
    this.held.set(id, whole);
  }

  private async answer(id: string, ask: Ask): Promise<Answer> {
    const row = (await this.rows()).find((each) => each.submission_id === id);
    const held = this.held.get(id);
    if (!row || (!held && ask.method !== "PUT")) return refused(404, "not-found");
    const offset = held?.length ?? 0;
    if (offset < row.bytes) return answered(202, { state: "uploading" }, { offset, sealed: "uploading" });
    const no = this.refuse(row);
    if (no) return no;
    const known = this.receipts.get(id);
    if (known) return known;
    const receipt = answered(201, {
      submission_id: id,
      sealed_sha256: await digestOf(held as Bytes),
      received_at: NOW.toISOString(),
      case_id: row.case_id,
      state: "received",
      digests: row.digests,
      photos: [],
    });
    this.receipts.set(id, receipt);
    return receipt;
  }
}

/** The server as a phone meets it: it lets people in, opens the sealed door, and tells what changed. */
export class TheServer {
  away = false;
  stolen = false;
  one_time = false;
  /** No token is known any more. */
  unknown = false;
  /** Whose tokens are refused from now on. */
  gone: string | null = null;
  /** Every answer is somebody else's JSON. */
  portal = false;
  refuse: string | null = null;
  told: unknown = null;
  readonly changes: { readonly case_id: string; readonly [fact: string]: unknown }[] = [];
  private readonly held = new Map<string, number>();

  constructor(private readonly key: SealingKey) {}

  readonly request: Request = async (path, ask = {}) => {
    if (this.away) throw new NoAnswer("offline");
    if (this.portal) return answered(200, { login: "https://hotel.example.org" });
    if (this.unknown && ask.token) return refused(401, "token-unknown");
    if (this.gone && ask.token === `token-of-${this.gone}`) return refused(401, "token-unknown");
    if (path === "/device/queue") {
      this.told = ask.json;
      return answered(200, {});
    }
    if (this.stolen) return refused(403, "device-stolen");
    if (path.startsWith("/sealed/")) return this.sealed(path, ask);
    const [route = "", query = ""] = path.split("?");
    return this.routes[route]?.(ask, query) ?? this.aCase(route);
  };

  private readonly routes: Readonly<Record<string, (ask: Ask, query: string) => Answer>> = {
    "/enrolments": () =>
      answered(201, { token: "phone-token", device: "phone-1", kind: "phone", sites: [SITE], world: "synthetic" }),
    "/sign-in": ({ json }) => {
      const { name } = json as { name: string };
      return answered(200, { person: name, token: `token-of-${name}` });
    },
    "/session": () =>
      answered(200, {
        state: "active",
        sites: [SITE],
        practice_sites: [],
        expires_at: "2099-01-01T00:00:00.000Z",
        needs: this.one_time ? ["password-change-needed"] : [],
      }),
    "/session/password": () => {
      this.one_time = false;
      return answered(200, { done: true });
    },
    "/sealing-keys": () => answered(200, { keys: [{ site: SITE, jwk: this.key }] }),
    "/cases": () => answered(200, { items: [], next: null }),
    "/changes": (_, query) => {
      const from = Number(new URLSearchParams(query).get("cursor") ?? 0);
      const items = this.changes.slice(from).map(({ case_id }) => ({ kind: "case", case_id }));
      return answered(200, { items, next: String(this.changes.length), more: false });
    },
  };

  private aCase(route: string): Answer {
    const case_id = route.replace("/cases/", "");
    const said = this.changes.findLast((change) => change.case_id === case_id);
    if (!said) return refused(404, "not-found");
    const consent = { care: { given: true }, training: { given: false } };
    const known = { site: SITE, subject_code: "A-017", visited_at: NOW.toISOString(), consent, photos: [], results: [] };
    return answered(200, { ...known, status: "received", ...said });
  }

  private async sealed(path: string, ask: Ask): Promise<Answer> {
    if (this.refuse) return refused(422, this.refuse, { sealed: "put-aside" });
    const id = path.slice("/sealed/".length).split("?")[0] ?? "";
    const row = await (await openDatabase()).get("queue", id);
    if (!row) return refused(404, "not-found");
    const now = (this.held.get(id) ?? 0) + (ask.bytes?.length ?? 0);
    this.held.set(id, now);
    if (now < row.bytes) return answered(202, {}, { offset: now });
    const { submission_id, sha256: sealed_sha256, case_id, digests } = row;
    const received_at = NOW.toISOString();
    return answered(201, { submission_id, sealed_sha256, case_id, digests, received_at, state: "received" });
  }
}

/** The blob as an RFC 7516 compact JWE. */
export function compactOf(blob: Uint8Array): string {
  const length = new DataView(blob.buffer, blob.byteOffset).getUint16(0);
  const head = new TextDecoder().decode(blob.subarray(2, 2 + length));
  const rest = blob.subarray(2 + length);
  const parts = [rest.subarray(0, 12), rest.subarray(12, -16), rest.subarray(-16)];
  return [head, "", ...parts.map((each) => base64url.encode(each))].join(".");
}

/** Whether anything in the database holds this text, or these bytes, as they are. */
export async function holds(database: Database, what: string | Uint8Array): Promise<boolean> {
  const wanted = latin(typeof what === "string" ? new TextEncoder().encode(what) : what);
  for (const store of database.objectStoreNames) {
    for (const row of await database.getAll(store)) if (textOf(row).includes(wanted)) return true;
  }
  return false;
}

function textOf(value: unknown): string {
  if (value instanceof ArrayBuffer) return latin(new Uint8Array(value));
  if (ArrayBuffer.isView(value)) return latin(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  if (typeof value === "object" && value !== null) return Object.entries(value).map(([k, v]) => k + textOf(v)).join("\n");
  return String(value);
}

function latin(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
