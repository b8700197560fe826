/** How much to send at once, on a line of which only its past is known.
 *
 * The server keeps every byte of a piece that was cut, so a large piece costs nothing by itself; but a proxy that reads a
 * whole request before it passes it on loses all of a cut one, and progress is only known between pieces.
 */

export const FIRST_BYTES = 48 * 1024;
const LEAST_BYTES = 4 * 1024;
const PIECE_MS = 8_000; // so that "sending 40 %" moves

export function afterPiece(bytes: number, ms: number): number {
  return Math.max(LEAST_BYTES, Math.min(2 * bytes, Math.round((bytes / Math.max(ms, 1)) * PIECE_MS)));
}

/** @param kept how many bytes of the piece the server has all the same */
export function afterCut(bytes: number, kept: number): number {
  return kept > 0 ? bytes : Math.max(LEAST_BYTES, Math.round(bytes / 2));
}
