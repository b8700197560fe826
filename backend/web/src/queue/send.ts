/** Sends what is sealed, one record after another, over a line that may be cut at any byte.
 *
 * A record leaves the phone when its receipt names every digest, and never before. What the server refuses is put aside
 * with its reason and the rest goes on; what nobody answered is tried again. One sender at a time is at work (alone.ts).
 */
import type { Pause, Refusal } from "../port";
import { type Bytes, digestHeader } from "../sealing/digest";
import { type Answer, FIRST_PAUSE_MS, NoAnswer, type Request } from "../server/client";
import { type Database, type DeviceRow, patch, type QueueRow } from "./database";
import { afterCut, afterPiece, FIRST_PACE, type Pace } from "./pieces";
import { discard, leave, putAside, sendable, waiting } from "./queue";
import { type Receipt, readReceipt } from "./receipt";

const MEDIA_TYPE = "application/vnd.pallor.sealed";
const MOST_STUCK = 5; // tries that bring no byte further, before the round ends
const ASKED_AGAIN_AFTER_MS = 3600_000;
const MOST_MANGLED = 3; // times that all arrived, and as something else
const OTHER_TOKEN = ["password-change-needed", "sign-in-needed", "second-factor-needed"];

export interface Line {
  readonly database: Database;
  readonly request: Request;
  readonly now: () => number;
  readonly pause: (ms: number) => Promise<void>;
  /** The token of this person's open session; null when the phone itself delivers in their name. */
  readonly tokenOf: (person: string) => string | null;
  /** That token is refused; the phone's own is tried next. */
  readonly onPersonRefused: (person: string) => unknown;
  readonly onProgress: () => void;
}

/** Why a round ended early: what stands in everybody's way. */
export class Halted extends Error {
  constructor(
    readonly why: Pause | "stolen",
    readonly wait_ms: number | null = null,
  ) {
    super(why);
    this.name = "Halted";
  }
}

/** Send all that can go; how many left. @throws Halted */
export async function sendAll(line: Line, device: DeviceRow): Promise<number> {
  const tried = new Set<string>();
  const road = { pace: FIRST_PACE };
  let left = 0;
  for (;;) {
    const row = sendable(await waiting(line.database)).find((each) => !tried.has(each.submission_id));
    if (!row) return left;
    tried.add(row.submission_id);
    const found = await line.database.get("blobs", row.submission_id);
    if (found) {
      const tokens = [line.tokenOf(row.person), device.token].filter((token) => token !== null);
      const receipt = await deliver(line, { ...BEGUN, row, blob: new Uint8Array(found.blob), road, tokens });
      if (receipt) await leave(line.database, row, receipt);
      left += receipt ? 1 : 0;
    } else await putAside(line.database, row.submission_id, lost(line.now()));
    line.onProgress();
  }
}

/** What the server put aside an administrator may have taken in since: then it leaves. @throws NoAnswer */
export async function askAgain(line: Line, device: DeviceRow): Promise<void> {
  for (const row of await waiting(line.database)) {
    const last = Date.parse(row.asked_at ?? row.refusal?.at ?? "");
    if (!row.refusal?.kept_by_server || line.now() - last < ASKED_AGAIN_AFTER_MS) continue;
    const upload = { ...BEGUN, row, blob: new Uint8Array(), road: { pace: FIRST_PACE }, tokens: [device.token], offset: null };
    const next = judge(await ask(line.request, upload, 0), row, true);
    if (next.is === "received") await leave(line.database, row, next.receipt);
    else if (next.is === "erased") await discard(line.database, row.submission_id);
    else await patch(line.database, "queue", row.submission_id, { asked_at: new Date(line.now()).toISOString() });
  }
}

/** Where one record's sending stands. */
interface Upload {
  readonly row: QueueRow;
  readonly blob: Bytes;
  /** What the round has learned of the line. */
  readonly road: { pace: Pace };
  /** Whose token to show, the best first. */
  readonly tokens: string[];
  /** Where to go on; null when the server has to be asked. */
  offset: number | null;
  /** What the server said it has. */
  held: number;
  /** A piece was not answered: what the server kept of it says how large the next may be. */
  cut: boolean;
  /** So many cuts in a row left nothing at a server that could be asked. */
  bare: number;
  stuck: number;
  mangled: number;
}

const BEGUN = { offset: 0 as number | null, held: 0, cut: false, bare: 0, stuck: 0, mangled: 0 };

/** The receipt; null when it was put aside. @throws Halted */
async function deliver(line: Line, upload: Upload): Promise<Receipt | null> {
  const { row } = upload;
  if (row.attempts > 0) upload.offset = null; // it may be there already, in part or whole
  await patch(line.database, "queue", row.submission_id, { attempts: row.attempts + 1 });
  for (;;) {
    const next = await step(line, upload);
    switch (next.is) {
      case "received":
        return next.receipt;
      case "stolen":
        throw new Halted("stolen");
      case "erased": // the person asked for it: here, too, nothing stays
        await discard(line.database, row.submission_id);
        return null;
      case "token":
        if (upload.tokens.length === 1) throw new Halted("token-refused");
        upload.tokens.shift();
        await line.onPersonRefused(row.person);
        break;
      case "mangled":
        upload.mangled += 1;
        if (upload.mangled < MOST_MANGLED) {
          upload.offset = upload.held = 0;
          break;
        }
        await putAside(line.database, row.submission_id, next.refusal);
        return null;
      case "aside":
        await putAside(line.database, row.submission_id, next.refusal);
        return null;
      case "unclear":
        await stumble(line, upload, new NoAnswer("portal"));
        break;
      case "on":
        await advance(line, upload, next.offset);
    }
  }
}

/** One request, again until the server answers, and what it means. @throws Halted */
async function step(line: Line, upload: Upload): Promise<Next> {
  const { row, offset, road } = upload;
  const began = line.now();
  const size = Math.min(road.pace.bytes, upload.blob.length - (offset ?? 0));
  try {
    const answer = await ask(line.request, upload, size);
    if (offset !== null && answer.status === 202) road.pace = afterPiece(road.pace, size, line.now() - began);
    return judge(answer, row, offset === null);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (offset !== null) upload.cut = true;
    await stumble(line, upload, error);
    return step(line, upload);
  }
}

async function advance(line: Line, upload: Upload, offset: number): Promise<void> {
  const reached = Math.min(offset, upload.blob.length);
  const kept = reached - upload.held;
  if (upload.cut) upload.bare = kept > 0 ? 0 : upload.bare + 1;
  if (upload.cut && upload.bare > 1) upload.road.pace = afterCut(upload.road.pace, kept); // once is chance
  if (kept > 0) upload.stuck = 0;
  else if (upload.offset !== null) await stumble(line, upload, new NoAnswer("server-away"));
  upload.cut = false;
  upload.offset = upload.held = reached;
  await patch(line.database, "queue", upload.row.submission_id, { offset: reached });
  line.onProgress();
}

/** Nothing came of it: wait, longer each time, and ask the server where it stands. @throws Halted after too many */
async function stumble(line: Line, upload: Upload, error: NoAnswer): Promise<void> {
  upload.stuck += 1;
  if (error.why === "too-many" || upload.stuck > MOST_STUCK) throw new Halted(error.why, error.wait_ms);
  await line.pause(FIRST_PAUSE_MS * 2 ** (upload.stuck - 1));
  upload.offset = null;
}

/** Send a piece of `size` bytes; or, with no offset, the question how far it is. */
function ask(request: Request, upload: Upload, size: number): Promise<Answer> {
  const { row, blob, offset } = upload;
  const token = upload.tokens[0] ?? null;
  const path = `/sealed/${row.submission_id}`;
  if (offset === null) return request(path, { token, headers: { "Sealed-At": row.sealed_at } });
  return request(`${path}?site=${encodeURIComponent(row.site)}`, {
    method: "PUT",
    token,
    bytes: blob.subarray(offset, offset + size),
    shared: false,
    headers: {
      "Content-Type": MEDIA_TYPE,
      "Pallor-Person": row.person,
      "Sealed-At": row.sealed_at,
      "Repr-Digest": digestHeader(row.sha256),
      "Upload-Offset": String(offset),
      "Upload-Length": String(blob.length),
    },
  });
}

type Next =
  | { readonly is: "received"; readonly receipt: Receipt }
  | { readonly is: "on"; readonly offset: number }
  | { readonly is: "aside" | "mangled"; readonly refusal: Refusal }
  | { readonly is: "token" | "stolen" | "unclear" | "erased" };

/** What an answer means for this record. */
export function judge({ status, body, offset, refusal }: Answer, row: QueueRow, asked: boolean): Next {
  if (refusal === null) {
    const receipt = readReceipt(body, row);
    if (receipt) return { is: "received", receipt };
    return status === 202 && offset !== null ? { is: "on", offset } : { is: "unclear" };
  }
  if (refusal.code === "device-stolen") return { is: "stolen" };
  if (status === 401 || OTHER_TOKEN.includes(refusal.code)) return { is: "token" };
  if (status === 404 && asked) return { is: "on", offset: 0 };
  // A case refers to nothing that could be missing: a server of before this door, or another one, answered.
  if (status === 404 && row.kind === "case") return { is: "unclear" };
  if (refusal.code === "offset-mismatch" && offset !== null) return { is: "on", offset };
  if (refusal.code === "case-erased") return { is: "erased" };
  return { is: refusal.code === "checksum-mismatch" ? "mangled" : "aside", refusal };
}

/** The browser has damaged its own database: said plainly, and in nobody's way. */
function lost(now: number): Refusal {
  const at = new Date(now).toISOString();
  return { code: "bytes-lost", title: "The browser has lost the bytes of this record.", faults: [], at, kept_by_server: false };
}
