/** What is sealed and waits to be sent; oldest first. */
import type { Refusal } from "../port";
import { type Database, DURABLE, type QueueRow } from "./database";
import type { Receipt } from "./receipt";

export function waiting(database: Database): Promise<QueueRow[]> {
  return database.getAllFromIndex("queue", "sealed_at");
}

/** What can go now: not what was put aside, and nothing about a case whose earlier record is still here. */
export function sendable(rows: readonly QueueRow[]): QueueRow[] {
  const held = new Set<string>();
  return rows.filter((row) => {
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
  return change(database, submission_id, { refusal });
}

export function takeUpAgain(database: Database, submission_id: string): Promise<void> {
  return change(database, submission_id, { refusal: null }); // asked about first: it was tried before
}

export async function discard(database: Database, submission_id: string): Promise<void> {
  const tx = database.transaction(["queue", "blobs"], "readwrite", DURABLE);
  await Promise.all([tx.objectStore("queue").delete(submission_id), tx.objectStore("blobs").delete(submission_id)]);
  await tx.done;
}

export async function change(
  database: Database,
  submission_id: string,
  what: Partial<Pick<QueueRow, "refusal" | "attempts" | "offset" | "asked_at">>,
): Promise<void> {
  const tx = database.transaction("queue", "readwrite");
  const row = await tx.store.get(submission_id);
  if (row) await tx.store.put({ ...row, ...what });
  await tx.done;
}
