/** Where the technician is: kept in the address behind `#`, so that the browser's own back button works. */
import { computed, signal } from "@preact/signals";

export const PLACES = ["worklist", "enter", "upload", "sent-back", "day"] as const;
export type Place = (typeof PLACES)[number];

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
  scrollTo(0, 0);
});

/** `#/enter/K7Q2M4X9TW` is `["enter", "K7Q2M4X9TW"]`; nothing is the worklist. */
export const place = computed<readonly [Place, string | undefined]>(() => {
  const [name, number] = /^#\/(.+)/.exec(hash.value)?.[1]?.split("/") ?? [];
  return [PLACES.find((one) => one === name) ?? "worklist", number];
});

export function go(to: Place, number?: string): void {
  location.hash = number ? `#/${to}/${number}` : `#/${to}`;
}
