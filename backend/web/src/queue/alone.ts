/** One sender at a time over all tabs and the service worker. */

const LOCK = "pallor-sender";

/** The work's result, or null when another is at it already. */
export async function alone<T>(work: () => Promise<T>): Promise<T | null> {
  return navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock ? work() : null));
}
