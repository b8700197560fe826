/** What lies inside a seal: a header that names everything, then the photos' own bytes.
 *
 *     PALLOR1\n | uint32 big-endian, length of the header | header, JSON in UTF-8 | part | part | ...
 *
 * The server reads the same (backend/wire/container.py); tests/backend/test_sealed_by_the_phone.py holds both ends together.
 */
import type { CaptureFacts, Eye, MediaType, SealedKind } from "../port";
import { type Bytes, digestOf } from "./digest";

const MAGIC = "PALLOR1\n";

export interface Part {
  readonly photo_id: string;
  readonly media_type: MediaType;
  readonly captured_at: string;
  readonly eye: Eye | null;
  readonly role: "roi" | "context";
  /** The photo of the region that a context part surrounds. */
  readonly of: string | null;
  readonly capture: CaptureFacts;
  readonly data: Bytes;
}

export interface Submission {
  readonly submission_id: string;
  readonly kind: SealedKind;
  readonly site: string;
  readonly sealed_at: string;
  readonly case_id: string;
  /** Of the open route of this kind; null for photos alone. */
  readonly body: object | null;
  readonly amendment_id?: string;
  readonly consent_id?: string;
  readonly follow_up_id?: string;
  readonly result_id?: string;
}

export interface Container {
  readonly bytes: Bytes;
  /** What the receipt has to name: photo id to `sha256:<hex>`. */
  readonly digests: Readonly<Record<string, string>>;
}

export async function pack(submission: Submission, parts: readonly Part[]): Promise<Container> {
  const named = await Promise.all(
    parts.map(async ({ data, ...facts }) => ({ ...facts, sha256: await digestOf(data), bytes: data.length })),
  );
  const header = new TextEncoder().encode(JSON.stringify({ ...submission, parts: named }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, header.length);
  return {
    bytes: joined([new TextEncoder().encode(MAGIC), length, header, ...parts.map((part) => part.data)]),
    digests: Object.fromEntries(named.map((part) => [part.photo_id, part.sha256])),
  };
}

export function joined(pieces: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
