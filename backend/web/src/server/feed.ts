/** What is new at the server, into the vault: the feed names cases, each is read once, and what was erased leaves. */
import type { Alert, FollowUp, KnownCase } from "../port";
import type { SeenCase } from "../vault/seen";
import { MOST_CASES, MOST_DAYS } from "../vault/seen";
import type { Request } from "./client";

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

interface CaseOut extends Omit<KnownCase, "state" | "mine" | "waiting" | "consent" | "specimen_barcode"> {
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
    const found = await get(request, token, `/cases/${case_id}`);
    if (found) cases.push(seenOf(found as CaseOut, mine.has(case_id)));
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
    const list = (await get(request, token, `/cases?limit=${CASES}${after}`)) as { items: CaseOut[]; next: string | null };
    const young = list.items.filter((item) => Date.parse(item.visited_at) >= oldest);
    cases.push(...young.map((item) => seenOf(item, mine.has(item.case_id))));
    if (!list.next || young.length === 0) break; // the list is by arrival, and an old visit may arrive late
    after = `&cursor=${encodeURIComponent(list.next)}`;
  }
  return { cases, erased: [], cursor: page.next, more: false };
}

async function changes(
  request: Request,
  token: string,
  cursor: string | null,
): Promise<{ items: Change[]; next: string; more: boolean }> {
  const from = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
  return (await get(request, token, `/changes?limit=${PAGE}${from}`)) as { items: Change[]; next: string; more: boolean };
}

/** The body; null for what is not there any more, or not for us. */
async function get(request: Request, token: string, path: string): Promise<unknown> {
  const answer = await request(path, { token });
  if (answer.status === 404 || answer.status === 410) return null;
  if (answer.refusal) throw new FeedRefused(answer.refusal.code);
  return answer.body;
}

export function seenOf(said: CaseOut, mine: boolean): SeenCase {
  const { consent, status } = said;
  return {
    case_id: said.case_id,
    site: said.site,
    subject_code: said.subject_code,
    visited_at: said.visited_at,
    subject: said.subject,
    danger_signs: said.danger_signs,
    severe_pallor: said.severe_pallor,
    sore_eye: said.sore_eye,
    specimen_barcode: said.specimen_barcode ?? null,
    consent: { care: consent.care.given, training: consent.training.given },
    mine,
    advice: said.advice,
    label: said.label,
    results: said.results.map((result) => ({
      result_id: result.result_id,
      hb_value: result.hb_value,
      hb_unit: result.hb_unit,
      hb_g_per_l: result.hb_g_per_l,
      taken_at: result.taken_at,
      supersedes: result.supersedes,
      superseded: result.superseded,
    })),
    photos: said.photos.map(({ photo_id, state, refusal, retake }) => ({ photo_id, state, refusal, retake })),
    alert: said.alert,
    follow_up: said.follow_up,
    amended: said.amended,
    warnings: said.warnings,
    status,
    facts: null,
  };
}
