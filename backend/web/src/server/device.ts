/** This phone at the server: enrolment, what state it is in, the sites' public keys, and the last word of a stolen one. */
import { PhoneFault } from "../phone/fault";
import { type Database, type DeviceRow, mark, marksOf, patch, type SiteRow, wipe } from "../queue/database";
import type { SealingKey } from "../sealing/seal";
import { NoAnswer, type Request, said } from "./client";

const CODE = /^[0-9A-HJKMNP-TV-Z]{10}$/; // Crockford's base 32 (pallor/enrolment.py)
const MEANT: Readonly<Record<string, string>> = { O: "0", I: "1", L: "1" };
const CHECKED_EVERY_MS = 6 * 3600_000;
const RENEWED_BEFORE_MS = 30 * 24 * 3600_000;

/**
 * The code of a link or of what was typed, as the server compares it.
 *
 * @param origin of this page: a phone belongs to the server that gave it the app
 * @throws PhoneFault `code-unreadable`, `link-elsewhere`
 */
export function readCode(linkOrCode: string, origin: string): string {
  let typed = linkOrCode.trim();
  if (/^https?:/i.test(typed)) {
    const link = URL.canParse(typed) ? new URL(typed) : null;
    if (!link?.pathname.endsWith("/enrol")) throw new PhoneFault("code-unreadable");
    if (link.origin !== origin) throw new PhoneFault("link-elsewhere", link.origin);
    typed = new URLSearchParams(link.hash.slice(1)).get("code") ?? "";
  }
  const code = typed.toUpperCase().replace(/[\s-]/g, "").replace(/[OIL]/g, (letter) => MEANT[letter] ?? letter);
  if (!CODE.test(code)) throw new PhoneFault("code-unreadable");
  return code;
}

/** Show the code, keep the token. Its sites' keys come with the first `refreshDevice`. @throws PhoneFault */
export async function enrol(database: Database, request: Request, code: string): Promise<void> {
  const answer = await reached(request("/enrolments", { method: "POST", json: { code } }));
  if (answer.refusal) throw new PhoneFault("code-refused", answer.refusal.title);
  const found = await reached(async () => said<Enrolled>(answer, "token", "device", "kind", "sites", "world"));
  if (found.kind !== "phone") throw new PhoneFault("code-refused", `This code is for a ${found.kind}.`);
  const sites = found.sites.map((code) => ({ code, practice: false, altitude_m: null, key: null }));
  const { token, device: name, world } = found;
  const row: DeviceRow = { id: "device", token, token_expires_at: null, name, world, state: "active", sites };
  await database.put("device", row);
  await mark(database, { session_checked_at: null });
}

/** What the server says of this phone. */
export type Standing = "known" | "unknown" | "stolen";

/**
 * Ask how this phone stands, renew its token in time, and fetch the sites' keys; at most every six hours unless `now`.
 *
 * @throws NoAnswer
 */
export async function refreshDevice(database: Database, request: Request, clock: Date, now = false): Promise<Standing> {
  const device = await database.get("device", "device");
  if (!device) return "unknown";
  const { session_checked_at: checked } = await marksOf(database);
  const fresh = checked !== null && clock.getTime() - Date.parse(checked) < CHECKED_EVERY_MS;
  if (fresh && !now && device.sites.every((site) => site.key)) return "known";
  const session = await request("/session", { token: device.token });
  if (session.refusal?.code === "device-stolen") return "stolen";
  if (session.refusal) return "unknown";
  const found = said<Session>(session, "state", "sites", "practice_sites", "expires_at");
  if (found.state === "stolen") return "stolen";
  const state = found.state === "retired" ? "retired" : "active";
  const keys = state === "active" ? await sealingKeys(request, device.token) : new Map<string, GivenKey>();
  const sites = found.sites.map((code) => siteOf(code, found.practice_sites, keys, device));
  await patch(database, "device", "device", { state, sites, token_expires_at: found.expires_at });
  await renewed(database, request, clock);
  await mark(database, { session_checked_at: clock.toISOString() });
  return "known";
}

/** Delete everything, then say how many cases had not been sent: the last that is heard of a stolen phone. */
export async function wipeStolen(database: Database, request: Request): Promise<void> {
  const device = await database.get("device", "device");
  const unsent_cases = (await database.getAll("queue")).filter((row) => row.kind === "case").length;
  await wipe(database);
  if (!device) return;
  try {
    await request("/device/queue", { method: "PUT", token: device.token, json: { unsent_cases, wiped: true } });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error; // nothing is left here to say it with a second time
  }
}

/** Tell how many cases wait, when that has changed. @throws NoAnswer */
export async function tellQueue(database: Database, request: Request, device: DeviceRow): Promise<void> {
  const unsent_cases = (await database.getAll("queue")).filter((row) => row.kind === "case").length;
  if ((await marksOf(database)).told_unsent === unsent_cases) return;
  const answer = await request("/device/queue", { method: "PUT", token: device.token, json: { unsent_cases } });
  if (!answer.refusal) await mark(database, { told_unsent: unsent_cases });
}

/** What was asked for, or the fault that the screens have words for. */
export async function reached<T>(asked: Promise<T> | (() => Promise<T>)): Promise<T> {
  try {
    return await (typeof asked === "function" ? asked() : asked);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new PhoneFault(error.why === "too-many" ? "too-many-tries" : error.why);
  }
}

interface Enrolled {
  readonly token: string;
  readonly device: string;
  readonly kind: string;
  readonly sites: string[];
  readonly world: DeviceRow["world"];
}

interface Session {
  readonly state: string;
  readonly sites: string[];
  readonly practice_sites: string[];
  readonly expires_at: string;
}

interface GivenKey {
  readonly site: string;
  readonly jwk: SealingKey;
  readonly practice?: boolean;
  readonly altitude_m?: number | null;
}

async function sealingKeys(request: Request, token: string): Promise<Map<string, GivenKey>> {
  const answer = await request("/sealing-keys", { token });
  const keys = answer.refusal ? [] : said<{ keys: GivenKey[] }>(answer, "keys").keys;
  return new Map(keys.map((key) => [key.site, key]));
}

/** What was known of a site stays where the server says nothing new: an old key still seals. */
function siteOf(code: string, practice: string[], keys: Map<string, GivenKey>, device: DeviceRow): SiteRow {
  const given = keys.get(code);
  const known = device.sites.find((site) => site.code === code);
  return {
    code,
    practice: practice.includes(code),
    altitude_m: given?.altitude_m ?? known?.altitude_m ?? null,
    key: given?.jwk ?? known?.key ?? null,
  };
}

async function renewed(database: Database, request: Request, clock: Date): Promise<void> {
  const device = await database.get("device", "device");
  if (!device?.token_expires_at) return;
  if (Date.parse(device.token_expires_at) - clock.getTime() > RENEWED_BEFORE_MS) return;
  const answer = await request("/session/rotation", { method: "POST", token: device.token, json: {} });
  if (answer.refusal) return; // the old one is good until it ends, and this is asked again
  const { token, expires_at } = said<{ token: string; expires_at: string }>(answer, "token", "expires_at");
  await patch(database, "device", "device", { token, token_expires_at: expires_at }); // the old one ends with its first use
}
