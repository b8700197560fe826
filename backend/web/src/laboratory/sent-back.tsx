/** What was sent back to this laboratory's systems and people, by every way in, and what to do about each. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Button, Card, Choice, Screen } from "../screens/parts";
import { moment, t } from "../words/words";
import { ask } from "./door";
import { Remedy, useFault } from "./faults";
import { Table } from "./form";
import type { Page, SentBackLine } from "./wire";
import { counted, type LabKey, tubeWords, w, worded } from "./words";

export function SentBackList() {
  const after = useSignal<"no" | "yes">("no");
  const page = useSignal<Page<SentBackLine> | null>(null);
  const { guard, shown } = useFault();
  const read = (cursor: string | null) =>
    guard(async () => {
      const query = new URLSearchParams({ looked_after: String(after.value === "yes") });
      if (cursor) query.set("cursor", cursor);
      const found = await ask<Page<SentBackLine>>(`/lab-sent-back?${query}`);
      page.value = { items: [...(cursor ? (page.value?.items ?? []) : []), ...found.items], next: found.next };
    });
  useEffect(() => void read(null), [after.value]);
  const lookAfter = (line: SentBackLine) =>
    guard(async () => {
      await ask(`/lab-sent-back/${line.sent_back_id}/looked-after`, { method: "PUT", json: {} });
      await read(null);
    });
  const { items, next } = page.value ?? { items: [], next: null };
  return (
    <Screen title={w("sent-back.title")}>
      <p>{w("sent-back.what")}</p>
      <Choice
        label={w("sent-back.show")}
        options={[["no", w("sent-back.open")], ["yes", w("sent-back.after")]]}
        value={after.value}
        onChoose={(value) => (after.value = value)}
      />
      {shown}
      {page.value && items.length === 0 && <Card tone="good" title={w("sent-back.none")} />}
      {items.length > 0 && (
        <Table
          caption={w("sent-back.title")}
          heads={[w("head.when"), w("head.from"), w("head.tube"), w("head.what"), w("head.do")]}
          rows={items.map((line) => ({
            key: line.sent_back_id,
            cells: [whenOf(line), fromOf(line), numberOf(line), whatOf(line), doneOf(line, lookAfter)],
          }))}
        />
      )}
      {next && <Button label={t("search.more")} onPress={async () => void (await read(next))} />}
    </Screen>
  );
}

function whenOf(line: SentBackLine): string {
  return line.times > 1 ? `${moment(line.last_at)} (${counted("sent-back.times", line.times)})` : moment(line.last_at);
}

function fromOf({ sender, way, number }: SentBackLine): string {
  const place = number === null ? "" : `, ${w(`number.${way}` as LabKey, { n: number })}`;
  return `${sender}: ${worded("way", way, way)}${place}`;
}

function numberOf({ specimen_barcode, case_id }: SentBackLine) {
  if (specimen_barcode) return <strong class="tube">{tubeWords(specimen_barcode)}</strong>;
  return case_id ? <span class="id">{case_id}</span> : "";
}

function whatOf({ code, field, reason, remedy }: SentBackLine) {
  return (
    <>
      <strong>{worded("refused", code, reason)}</strong> <span class="hint">({field})</span>
      <Remedy words={remedy} />
    </>
  );
}

function doneOf(line: SentBackLine, lookAfter: (line: SentBackLine) => Promise<unknown>) {
  if (line.looked_after_at) return w("sent-back.by", { who: line.looked_after_by?.split("@")[0] ?? "", at: moment(line.looked_after_at) });
  return <Button label={w("sent-back.look-after")} onPress={async () => void (await lookAfter(line))} />;
}
