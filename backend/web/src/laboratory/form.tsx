/** What the laboratory's pages are made of besides the phone's parts: a form that Enter sends, and a choice of site. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { session } from "./door";
import { w } from "./words";

/** Enter in any of its fields sends it, once: keyboards and hand-held scanners end with it. */
export function Form({ onSend, children }: { onSend: () => Promise<unknown>; children: ComponentChildren }) {
  const busy = useSignal(false);
  const send = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      await onSend();
    } finally {
      busy.value = false;
    }
  };
  return (
    <form
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
        event.preventDefault();
        void send();
      }}
      onSubmit={(event) => event.preventDefault()}
    >
      {children}
    </form>
  );
}

interface Chosen {
  label: string;
  options: readonly (readonly [string, string])[];
  value: string;
  onChoose: (value: string) => void;
}

export function Select({ label, options, value, onChoose }: Chosen) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
        {options.map(([code, words]) => (
          <option key={code} value={code}>
            {words}
          </option>
        ))}
      </select>
    </div>
  );
}

/** Nothing to choose where there is one site; "" is all of them. */
export function SiteChoice({ value, onChoose }: { value: string; onChoose: (site: string) => void }) {
  const sites = session.value?.sites ?? [];
  if (sites.length < 2) return null;
  const practises = (site: string) => session.value?.practice_sites.includes(site);
  const named = sites.map((site) => [site, practises(site) ? w("site.practice", { site }) : site] as const);
  return <Select label={w("site")} options={[["", w("site.all")], ...named]} value={value} onChoose={onChoose} />;
}

/** A table that on a narrow screen becomes a list, each cell under its heading. */
export function Table({ caption, heads, rows }: { caption: string; heads: readonly string[]; rows: readonly Row[] }) {
  const doing = w("head.do"); // on paper nothing can be done
  return (
    <table>
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          {heads.map((head) => (
            <th key={head} scope="col" class={head === doing ? "no-print" : undefined}>
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, tone, cells }) => (
          <tr key={key} class={tone}>
            {cells.map((cell, at) => (
              <td key={heads[at]} data-head={heads[at]} class={heads[at] === doing ? "no-print" : undefined} data-bare={!cell}>
                <div>{cell}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export interface Row {
  readonly key: string;
  readonly tone?: "warn" | "struck" | undefined;
  readonly cells: readonly ComponentChildren[];
}
