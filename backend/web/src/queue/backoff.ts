/** How long to wait after how many failures, so that a clinic's phones do not all come back in the same second. */

const FIRST_MS = 2_000;
const LONGEST_MS = 15 * 60_000;

/**
 * @param failures in a row, from 1
 * @param chance from 0 to below 1
 * @returns milliseconds: between half and all of a wait that doubles each time
 */
export function waitAfter(failures: number, chance: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return whole * (0.5 + 0.5 * chance);
}
