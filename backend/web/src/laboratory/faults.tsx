/** What the server would not have, in words, with what to do about it. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Card } from "../screens/parts";
import { language, said, t } from "../words/words";
import { NoAnswer, SentBack } from "./door";
import { worded } from "./words";

interface Told {
  readonly title: string;
  /** The server's own remedy, in English. */
  readonly remedy: string | null;
}

export function toldOf(error: unknown): Told {
  if (error instanceof NoAnswer) return { title: said("fault", error.why, t("fault.unknown")), remedy: null };
  if (!(error instanceof SentBack)) return { title: t("fault.unknown"), remedy: null };
  const fault = error.refusal.faults[0];
  const title = worded("refused", error.code, sentence(fault?.message ?? error.refusal.title));
  return { title, remedy: fault?.remedy ?? null };
}

function sentence(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** `guard` runs what may fail and keeps why; `shown` shows it until the next try. */
export function useFault() {
  const told = useSignal<Told | null>(null);
  const code = useSignal<string | null>(null);
  const guard = async <T,>(work: () => Promise<T>): Promise<T | undefined> => {
    told.value = code.value = null;
    try {
      return await work();
    } catch (error) {
      told.value = toldOf(error);
      code.value = error instanceof SentBack ? error.code : null;
      return undefined;
    }
  };
  return { guard, code, shown: told.value && <Fault told={told.value} /> };
}

function Fault({ told }: { told: Told }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: "nearest" }), [told]);
  return (
    <div ref={box} role="alert">
      <Card tone="warn" title={told.title}>
        {told.remedy && <Remedy words={told.remedy} />}
      </Card>
    </div>
  );
}

/** The server says it in English: a screen reader is told, and so is whoever reads another language. */
export function Remedy({ words }: { words: string }) {
  return (
    <p lang="en">
      {language.value !== "en" && "(en) "}
      {words}
    </p>
  );
}
