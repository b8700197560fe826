/** Whether what came back says that all of it arrived. Anything less keeps the record here. */
import type { QueueRow } from "./database";

/** Other than this is no receipt of ours, whatever its status was. */
export interface Receipt {
  readonly submission_id: string;
  readonly sealed_sha256: string;
  readonly received_at: string;
  readonly case_id: string;
  readonly state: "received";
  readonly digests: Readonly<Record<string, string>>;
}

/** The receipt, when it names this submission, the blob's digest and each photo's; else null. */
export function readReceipt(said: unknown, row: QueueRow): Receipt | null {
  if (typeof said !== "object" || said === null) return null;
  const receipt = said as Partial<Receipt>;
  const named = receipt.digests;
  const fits =
    receipt.submission_id === row.submission_id &&
    receipt.sealed_sha256 === row.sha256 &&
    receipt.case_id === row.case_id &&
    receipt.state === "received" &&
    typeof receipt.received_at === "string" &&
    typeof named === "object" &&
    named !== null &&
    Object.entries(row.digests).every(([photo_id, digest]) => named[photo_id] === digest);
  return fits ? (receipt as Receipt) : null;
}
