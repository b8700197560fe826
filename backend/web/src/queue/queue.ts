/** What is sealed and waits to be sent; oldest first. */
import type { Refusal } from "../port";
import { type Database, DURABLE, patch, type QueueRow } from "./database";
import type { Receipt } from "./receipt";

export function waiting(database: Database): Promise<QueueRow[]> {
  return database.getAllFromIndex("queue", "sealed_at");
}

/** What can go now, cases first: not what was put aside, and nothing about a case whose earlier record is still here.
 *
 * By kind before time: a clock that was set back makes an amendment seem older than its case.
 */
export function sendable(rows: readonly QueueRow[]): QueueRow[] {
  const held = new Set<string>();
  const cases = rows.filter((row) => row.kind === "case");
  return [...cases, ...rows.filter((row) => row.kind !== "case")].filter((row) => {
    const first = !held.has(row.case_id);
    held.add(row.case_id);
    return first && row.refusal === null;
  });
}

/** It may leave: its receipt named every digest. */
export async function leave(database: Database, row: QueueRow, receipt: Receipt): Promise<void> {
  const tx = database.transaction(["queue", "blobs", "arrived"], "readwrite", DURABLE);
  const { submission_id, kind, case_id } = row;
  await Promise.all([
    tx.objectStore("arrived").put({ submission_id, kind, case_id, received_at: receipt.received_at }),
    tx.objectStore("queue").delete(submission_id),
    tx.objectStore("blobs").delete(submission_id),
  ]);
  await tx.done;
}

/** The server would not have it: kept here with the reason, out of the others' way. */
export function putAside(database: Database, submission_id: string, refusal: Refusal): Promise<void> {
  return patch(database, "queue", submission_id, { refusal });
}

export function takeUpAgain(database: Database, submission_id: string): Promise<void> {
  return patch(database, "queue", submission_id, { refusal: null }); // asked about first: it was tried before
}

/** Somebody has signed in: what nobody would take in their name goes on its way again. */
export async function takeUpOf(database: Database, person: string): Promise<void> {
  for (const row of await waiting(database)) {
    if (row.person === person && row.refusal?.code === "person-unknown") await takeUpAgain(database, row.submission_id);
  }
}

export async function discard(database: Database, submission_id: string): Promise<void> {
  const tx = database.transaction(["queue", "blobs"], "readwrite", DURABLE);
  await Promise.all([tx.objectStore("queue").delete(submission_id), tx.objectStore("blobs").delete(submission_id)]);
  await tx.done;
}
