/** What may be seen again, under the person's key: at most 90 days and 2 000 cases. */
import { type Database, type SeenRow } from "../queue/database";
import type { CaseFacts, KnownCase } from "../port";
import { closeJson, openJson } from "./box";

export const MOST_DAYS = 90;
export const MOST_CASES = 2_000;
const DAY_MS = 24 * 3600_000;

/** `status`: the server's; null until its feed has named the case. `facts`: as they were typed here, until then. */
export interface SeenCase extends Omit<KnownCase, "state" | "waiting" | "practice"> {
  readonly status: "received" | "scored" | "retake" | "confirmed" | null;
  readonly facts: CaseFacts | null;
}

export async function recall(database: Database, key: CryptoKey, person: string): Promise<SeenCase[]> {
  const rows = await database.getAllFromIndex("seen", "person", person);
  return Promise.all(rows.map((row) => openJson<SeenCase>(key, placeOf(row), row.box)));
}

/** Ready to be put into the database, also within somebody else's transaction. */
export async function seenRow(key: CryptoKey, person: string, seen: SeenCase): Promise<SeenRow> {
  const row = { person, case_id: seen.case_id, at: seen.visited_at };
  return { ...row, box: await closeJson(key, placeOf(row), seen) };
}

export async function remember(database: Database, key: CryptoKey, person: string, cases: SeenCase[]): Promise<void> {
  const rows = await Promise.all(cases.map((seen) => seenRow(key, person, seen)));
  const tx = database.transaction("seen", "readwrite");
  await Promise.all(rows.map((row) => tx.store.put(row)));
  await tx.done;
}

/** Out of everybody's history: it was erased, or discarded. */
export async function forget(database: Database, case_ids: Iterable<string>): Promise<void> {
  const gone = new Set(case_ids);
  const tx = database.transaction("seen", "readwrite");
  for (const key of await tx.store.getAllKeys()) if (gone.has(key[1])) await tx.store.delete(key);
  await tx.done;
}

/** Drop what is too old or too much, of everybody: needs no key. */
export async function prune(database: Database, now: Date): Promise<void> {
  const tx = database.transaction("seen", "readwrite");
  const rows = await tx.store.getAll();
  for (const row of tooMany(rows, now)) await tx.store.delete([row.person, row.case_id]);
  await tx.done;
}

/** Which of these rows are beyond the limits, each person's by themselves. */
export function tooMany<Row extends Pick<SeenRow, "person" | "at">>(rows: readonly Row[], now: Date): Row[] {
  const oldest = now.getTime() - MOST_DAYS * DAY_MS;
  const counted = new Map<string, number>();
  return [...rows]
    .sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
    .filter((row) => {
      const count = (counted.get(row.person) ?? 0) + 1;
      counted.set(row.person, count);
      return count > MOST_CASES || Date.parse(row.at) < oldest;
    });
}

function placeOf(row: Pick<SeenRow, "person" | "case_id">): string {
  return `seen/${row.person}/${row.case_id}`;
}
