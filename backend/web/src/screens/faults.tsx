/** What went wrong, in words; and a place on the screen for it. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { PhoneFault, type FieldFault } from "../phone/fault";
import type { Refusal } from "../port";
import { said, t } from "../words/words";
import { Card } from "./parts";

export function wordsOf(error: unknown): string {
  if (!(error instanceof PhoneFault)) return t("fault.unknown");
  const words = said("fault", error.code, t("fault.unknown"));
  return error.detail ? words.replace("{detail}", error.detail) : words.replace("{detail}", "");
}

/** `guard` runs what may fail and keeps its words; `shown` shows them until the next try. */
export function useFault() {
  const words = useSignal<string | null>(null);
  const guard = async <T,>(work: () => Promise<T>): Promise<T | undefined> => {
    words.value = null;
    try {
      return await work();
    } catch (error) {
      words.value = wordsOf(error);
      return undefined;
    }
  };
  const shown = words.value && <Fault words={words.value} />;
  return { guard, shown };
}

/** Brought into sight: the button that failed may lie far below it. */
function Fault({ words }: { words: string }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), [words]);
  return (
    <div ref={box} role="alert">
      <Card tone="warn" title={words} />
    </div>
  );
}

/** Why the server would not have it; its own sentence, in English, is for whoever has to look after it (queue.tsx). */
export function refusalWords({ code }: Refusal): string {
  return said("refusal", code, t("refusal.other"));
}

export function faultOf(faults: readonly FieldFault[], field: string): string | null {
  const found = faults.find((one) => one.field === field);
  return found ? said("field-fault", `${found.field}.${found.code}`, said("field-fault", found.code, t("field-fault.not-fitting"))) : null;
}
