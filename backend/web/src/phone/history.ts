/** What the screens see of cases, queue and tasks, out of what the database holds. Pure. */
import type { KnownCase, QueueRecord, RecordState, Sending, Task } from "../port";
import type { ArrivedRow, DeviceRow, Marks, QueueRow } from "../queue/database";
import type { SeenCase } from "../vault/seen";
import type { Opened } from "./core";

export const LOCKS_AFTER_DAYS = 30;
const DAY_MS = 24 * 3600_000;

/** The server has not answered this person for 30 days, by the latest moment that this phone has seen. */
export function isHistoryLocked(contact_at: string | null, latest_at: string | null, now: Date): boolean {
  if (contact_at === null) return false; // nothing old can be here
  const latest = Math.max(now.getTime(), Date.parse(latest_at ?? contact_at));
  return latest - Date.parse(contact_at) > LOCKS_AFTER_DAYS * DAY_MS;
}

/** `sending` is said once the server has some of it: trying is not sending. */
export function stateOf(row: QueueRow): QueueRecord["state"] {
  if (row.refusal) return { is: "put-aside", refusal: row.refusal };
  return row.offset === 0 ? { is: "queued" } : { is: "sending", sent: row.offset, total: row.bytes };
}

export function knownCases(
  seen: ReadonlyMap<string, SeenCase>,
  queue: readonly QueueRow[],
  arrived: readonly ArrivedRow[],
  device: DeviceRow | null,
): KnownCase[] {
  const practice = new Set(device?.sites.filter((site) => site.practice).map((site) => site.code));
  const here = new Set(arrived.filter((row) => row.kind === "case").map((row) => row.case_id));
  const cases = [...seen.values()].map(({ status, facts: _, ...known }) => {
    const own = queue.filter((row) => row.case_id === known.case_id);
    const whole = own.find((row) => row.kind === "case");
    const state: RecordState = whole
      ? stateOf(whole)
      : { is: status ?? (here.has(known.case_id) ? "received" : "queued") };
    const waiting = own.filter((row) => row.kind !== "case").map((row) => row.kind);
    return { ...known, practice: practice.has(known.site), state, waiting } as KnownCase;
  });
  return cases.sort((a, b) => b.visited_at.localeCompare(a.visited_at));
}

export function queueRecords(queue: readonly QueueRow[], seen: ReadonlyMap<string, SeenCase>): QueueRecord[] {
  return queue.map((row) => ({
    submission_id: row.submission_id,
    kind: row.kind,
    case_id: row.case_id,
    site: row.site,
    person: row.person,
    sealed_at: row.sealed_at,
    bytes: row.bytes,
    state: stateOf(row),
    attempts: row.attempts,
    subject_code: seen.get(row.case_id)?.subject_code ?? null,
  }));
}

/** `all_sent` is said of an empty queue alone: a record leaves it only by a receipt that fits. */
export function sendingOf(queue: readonly QueueRow[], marks: Marks, at: Pick<Sending, "busy" | "pause">): Sending {
  const waiting = queue.filter((row) => row.refusal === null);
  return {
    ...at,
    all_sent: queue.length === 0,
    waiting: waiting.length,
    put_aside: queue.length - waiting.length,
    sent_bytes: waiting.reduce((sum, row) => sum + row.offset, 0),
    total_bytes: waiting.reduce((sum, row) => sum + row.bytes, 0),
    next_try_at: waiting.length > 0 ? marks.next_try_at : null,
  };
}

export function tasksOf(
  cases: readonly KnownCase[],
  queue: readonly QueueRecord[],
  opened: Opened | null,
  enrol_again: boolean,
): Task[] {
  const alerts = cases.flatMap((known): Task[] => {
    const { case_id, subject_code, alert, waiting } = known;
    const open = alert && alert.acknowledged_at === null && !waiting.includes("acknowledgement");
    return open ? [{ is: "alert", case_id, subject_code, alert }] : [];
  });
  const refused = queue.flatMap((record): Task[] => {
    if (record.state.is !== "put-aside" || (opened && record.person !== opened.person)) return [];
    const { submission_id, kind, case_id, subject_code, state } = record;
    return [{ is: "refused", submission_id, kind, case_id, subject_code, refusal: state.refusal }];
  });
  const retakes = cases.flatMap((known): Task[] => {
    const { case_id, subject_code, state, mine, photos, waiting } = known;
    if (state.is !== "retake" || !mine || waiting.includes("photos")) return [];
    return [{ is: "retake", case_id, subject_code, reasons: photos.flatMap((photo) => photo.retake) }];
  });
  const again: Task[] = [
    ...(enrol_again ? [{ is: "enrol-again" } as const] : []),
    ...(opened?.sign_in_again ? [{ is: "sign-in-again" } as const] : []),
  ];
  return [...alerts, ...again, ...refused, ...retakes];
}
