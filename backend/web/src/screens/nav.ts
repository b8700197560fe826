/** Where the person is: kept in the address behind `#`, so that the phone's own back button works. */
import { computed, signal } from "@preact/signals";

export type Place = "home" | "new" | "case" | "amend" | "slip" | "queue" | "follow-ups" | "search" | "phone" | "sign-in" | "enrol";

const hash = signal(location.hash);
addEventListener("hashchange", () => {
  hash.value = location.hash;
  scrollTo(0, 0);
});

/** `#/case/ID` is `["case", "ID"]`; nothing, and the code of an enrolment link, is home. */
export const place = computed<readonly [Place, string | undefined]>(() => {
  const [name, id] = /^#\/(.+)/.exec(hash.value)?.[1]?.split("/") ?? [];
  return [(name ?? "home") as Place, id];
});

export function go(to: Place, id?: string): void {
  location.hash = id ? `#/${to}/${id}` : `#/${to}`;
}

/** Without a way back: what was here is done. */
export function goInstead(to: Place, id?: string): void {
  history.replaceState(null, "", id ? `#/${to}/${id}` : `#/${to}`);
  hash.value = location.hash;
  scrollTo(0, 0);
}
