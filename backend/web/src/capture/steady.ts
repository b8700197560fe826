/** Hints that do not flicker: one is shown when it was seen twice running, and stays until two glances say otherwise. */
import type { Hint } from "./hints";

/** `looking`: nothing was seen twice yet. `ready`: there is nothing to mend. */
export type Saying = Hint | "ready" | "looking";

export function steady(): (hints: readonly Hint[]) => Saying {
  let said: Saying = "looking";
  let last: Saying = "looking";
  return (hints) => {
    const now = hints[0] ?? "ready";
    if (now === last) said = now;
    last = now;
    return said;
  };
}
