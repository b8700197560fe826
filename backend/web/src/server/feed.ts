/** What is new at the server, into the vault: the feed names cases, each is read once, and what was erased leaves. */
import type { Alert, FollowUp, KnownCase, KnownPhoto } from "../port";
import type { SeenCase } from "../vault/seen";
import { MOST_CASES, MOST_DAYS } from "../vault/seen";
import { NoAnswer, type Request, said } from "./client";

const PAGE = 100; // of the feed: 15 KB
const CASES = 20; // 30 KB, which is what a bad line brings in one piece
const DAY_MS = 24 * 3600_000;

/** The server does not let this person read: they have to sign in again, or choose a password. */
export class FeedRefused extends Error {}

export interface News {
  readonly cases: readonly SeenCase[];
  readonly erased: readonly string[];
  /** To be stored together with them, or after. */
  readonly cursor: string;
  readonly more: boolean;
}

interface Change {
  readonly kind: string;
  readonly case_id: string;
}

interface CaseOut extends Omit<KnownCase, "state" | "mine" | "waiting" | "consent" | "specimen_barcode" | "photos"> {
  readonly photos: readonly (KnownPhoto & { readonly quality?: { readonly reasons?: readonly string[] } | null })[];
  readonly status: "received" | "scored" | "retake" | "confirmed";
  readonly consent: { readonly care: { readonly given: boolean }; readonly training: { readonly given: boolean } };
  readonly specimen_barcode?: string | null;
  readonly alert: Alert | null;
  readonly follow_up: FollowUp | null;
}

/**
 * One page of what came after `cursor`. The first time: where the feed ends now, and the newest cases as they stand.
 *
 * @param mine ids of the cases that were taken on this phone by whoever reads
 * @throws NoAnswer, FeedRefused
 */
export async function news(
  request: Request,
  token: string,
  cursor: string | null,
  mine: ReadonlySet<string>,
  now: Date,
): Promise<News> {
  if (cursor === null) return firstNews(request, token, mine, now);
  const page = await changes(request, token, cursor);
  const erased = page.items.filter((change) => change.kind === "erased").map((change) => change.case_id);
  const changed = new Set(page.items.map((change) => change.case_id).filter((id) => !erased.includes(id)));
  const cases: SeenCase[] = [];
  for (const case_id of changed) {
    const found = await get<CaseOut>(request, token, `/cases/${case_id}`, "case_id", "status", "photos");
    if (found) cases.push(seenOf(found, mine.has(case_id)));
  }
  return { cases, erased, cursor: page.next, more: page.more };
}

async function firstNews(request: Request, token: string, mine: ReadonlySet<string>, now: Date): Promise<News> {
  let page = await changes(request, token, null);
  while (page.more) page = await changes(request, token, page.next);
  const cases: SeenCase[] = [];
  const oldest = now.getTime() - MOST_DAYS * DAY_MS;
  let after = "";
  while (cases.length < MOST_CASES) {
    const list = await get<Page<CaseOut>>(request, token, `/cases?limit=${CASES}${after}`, "items", "next");
    if (!list) break;
    const young = list.items.filter((item) => Date.parse(item.visited_at) >= oldest);
    cases.push(...young.map((item) => seenOf(item, mine.has(item.case_id))));
    if (!list.next || young.length === 0) break; // the list is by arrival, and an old visit may arrive late
    after = `&cursor=${encodeURIComponent(list.next)}`;
  }
  return { cases, erased: [], cursor: page.next, more: false };
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

interface ChangePage {
  readonly items: readonly Change[];
  readonly next: string;
  readonly more: boolean;
}

async function changes(request: Request, token: string, cursor: string | null): Promise<ChangePage> {
  const from = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
  const page = await get<ChangePage>(request, token, `/changes?limit=${PAGE}${from}`, "items", "next", "more");
  if (!page) throw new NoAnswer("server-away"); // a server without a feed is not ours
  return page;
}

/** The body; null for what is not there any more, or not for us. */
async function get<T extends object>(
  request: Request,
  token: string,
  path: string,
  ...names: (keyof T & string)[]
): Promise<T | null> {
  const answer = await request(path, { token });
  if (answer.status === 404 || answer.status === 410) return null;
  if (answer.refusal) throw new FeedRefused(answer.refusal.code);
  return said<T>(answer, ...names);
}

export function seenOf(found: CaseOut, mine: boolean): SeenCase {
  const { consent, status } = found;
  return {
    case_id: found.case_id,
    site: found.site,
    subject_code: found.subject_code,
    visited_at: found.visited_at,
    subject: found.subject,
    danger_signs: found.danger_signs,
    severe_pallor: found.severe_pallor,
    sore_eye: found.sore_eye,
    specimen_barcode: found.specimen_barcode ?? null,
    consent: { care: consent.care.given, training: consent.training.given },
    mine,
    advice: found.advice,
    label: found.label,
    results: found.results.map((result) => ({
      result_id: result.result_id,
      hb_value: result.hb_value,
      hb_unit: result.hb_unit,
      hb_g_per_l: result.hb_g_per_l,
      taken_at: result.taken_at,
      supersedes: result.supersedes,
      superseded: result.superseded,
    })),
    photos: found.photos.map(({ photo_id, state, refusal, retake, quality }) => ({
      photo_id,
      state,
      refusal,
      retake: state === "refused" ? (quality?.reasons ?? retake) : [],
    })),
    alert: found.alert,
    follow_up: found.follow_up,
    amended: found.amended,
    warnings: found.warnings,
    status,
    facts: null,
  };
}
