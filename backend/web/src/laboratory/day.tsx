/** The day sheet: what was entered, corrected and taken back, by whom; printed, it is signed and filed. */
import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";
import { Button, Screen } from "../screens/parts";
import { day as dayWords } from "../words/words";
import { ask, session } from "./door";
import { useFault } from "./faults";
import { type Row, SiteChoice, Table } from "./form";
import { go } from "./nav";
import { valueWords } from "./say";
import type { DayEntry } from "./wire";
import { counted, gramsWords, hour, tubeWords, w, worded } from "./words";

export function Day() {
  const date = useSignal(today());
  const site = useSignal("");
  const entries = useSignal<readonly DayEntry[]>([]);
  const { guard, shown } = useFault();
  const id = useId();
  const read = () =>
    guard(async () => {
      const query = new URLSearchParams({ day: date.value, ...(site.value && { site: site.value }) });
      entries.value = (await ask<{ entries: readonly DayEntry[] }>(`/lab-day?${query}`)).entries;
    });
  useEffect(() => {
    if (date.value) void read();
  }, [date.value, site.value]);
  return (
    <Screen title={w("day.title")}>
      <div class="filters no-print">
        <div class="field">
          <label for={id}>{w("day.date")}</label>
          <input id={id} type="date" value={date.value} onInput={(event) => (date.value = event.currentTarget.value)} />
        </div>
        <SiteChoice value={site.value} onChoose={(code) => (site.value = code)} />
        <Button label={w("day.print")} onPress={() => print()} />
      </div>
      {shown}
      <p>
        {date.value && dayWords(`${date.value}T12:00:00`)} · {site.value || session.value?.sites?.join(", ")} · {counted("day.entries", entries.value.length)}
      </p>
      {entries.value.length > 0 && (
        <Table
          caption={w("day.title")}
          heads={[w("head.time"), w("head.tube"), w("head.code"), w("head.value"), "g/L", w("head.how"), w("head.by"), w("head.note"), w("head.do")]}
          rows={entries.value.map(rowOf)}
        />
      )}
      <p class="signed">{w("day.signed")}</p>
    </Screen>
  );
}

function rowOf(entry: DayEntry): Row {
  const number = entry.specimen_barcode ?? entry.case_id;
  const counts = (entry.kind === "result" || entry.kind === "correction") && !entry.superseded && !entry.retracted;
  return {
    key: `${entry.kind}-${entry.entry_id}`,
    tone: entry.kind === "recollect" || entry.kind === "waiting" ? "warn" : counts || entry.kind === "retraction" ? undefined : "struck",
    cells: [
      hour(entry.at),
      entry.specimen_barcode ? <span class="tube">{tubeWords(entry.specimen_barcode)}</span> : "",
      entry.subject_code ? <span class="short">{entry.subject_code} ({entry.site})</span> : "",
      entry.kind === "recollect" || entry.kind === "retraction" ? "" : <span class="value">{valueWords(entry)}</span>,
      entry.hb_g_per_l && entry.kind !== "retraction" ? <span class="value">{gramsWords(entry.hb_g_per_l)}</span> : "",
      [entry.specimen && worded("specimen", entry.specimen, ""), entry.method, entry.device].filter(Boolean).join(", "),
      <span key="by" class="short">{entry.by}</span>,
      noteOf(entry),
      counts && number ? <Button key="correct" label={w("day.correct")} onPress={() => go("enter", number)} /> : "",
    ],
  };
}

function noteOf(entry: DayEntry): string {
  const because = entry.reason ? `: ${entry.reason}` : "";
  const gone = entry.retracted ? worded("retracted", entry.retracted, entry.retracted) : entry.superseded ? w("day.superseded") : "";
  if (entry.kind === "correction") {
    const was = w("day.corrects", { was: `${entry.corrects_value} ${entry.corrects_unit}` });
    return `${was}${because}${gone && ` · ${gone}`}`;
  }
  if (entry.kind === "retraction") return w("day.takes-back", { was: valueWords(entry), how: `${gone}${because}` });
  if (entry.kind === "recollect") return w("expected.again", { why: worded("rejection", entry.reason ?? "", entry.reason ?? "") });
  if (entry.kind === "waiting") return worded("reason", entry.reason ?? "", entry.reason ?? "");
  return gone;
}

function today(): string {
  const now = new Date();
  return new Date(now.getTime() - now.getTimezoneOffset() * 60_000).toISOString().slice(0, 10);
}
