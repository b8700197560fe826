/** How much to send at once, on a line of which only its past is known.
 *
 * The server keeps every byte of a piece that was cut, so a large piece costs nothing by itself; but a proxy that reads a
 * whole request before it passes it on loses all of a cut one, and progress is only known between pieces.
 */

const FIRST_BYTES = 48 * 1024;
const LEAST_BYTES = 4 * 1024;
const PIECE_MS = 8_000; // so that "sending 40 %" moves

/** `most`: what is known to be too much is not tried again in this round. */
export interface Pace {
  readonly bytes: number;
  readonly most: number;
}

export const FIRST_PACE: Pace = { bytes: FIRST_BYTES, most: Number.POSITIVE_INFINITY };

/** @param sent how many bytes got through in one piece, in `ms` */
export function afterPiece({ most }: Pace, sent: number, ms: number): Pace {
  const wanted = Math.min(2 * sent, Math.round((sent / Math.max(ms, 1)) * PIECE_MS), most);
  return { bytes: Math.max(LEAST_BYTES, wanted), most };
}

/** @param kept how many bytes of the piece the server has all the same */
export function afterCut(pace: Pace, kept: number): Pace {
  if (kept > 0) return pace;
  const bytes = Math.max(LEAST_BYTES, Math.round(pace.bytes / 2));
  return { bytes, most: bytes };
}
