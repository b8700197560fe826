/** A screen that is fetched when it is first gone to; the service worker has it already. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words/words";

export function lazily<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let loaded: ComponentType<P> | null = null;
  return function Lazily(given: P) {
    const [Part, setPart] = useState<{ part: ComponentType<P> } | null>(loaded && { part: loaded });
    useEffect(() => {
      if (!loaded)
        void load().then((part) => {
          loaded = part;
          setPart({ part });
        });
    }, []);
    return Part ? <Part.part {...given} /> : <p role="status">{t("loading")}</p>;
  };
}
