/** A list from a spreadsheet: every row's fate is seen before anything is written. */
import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { Button, Card, Screen, Told } from "../screens/parts";
import { ask } from "./door";
import { Remedy, useFault } from "./faults";
import { Table } from "./form";
import { go } from "./nav";
import { echoOf } from "./record";
import type { PreviewRow, SheetRow } from "./wire";
import { counted, tubeWords, w, worded } from "./words";

const TYPES: Readonly<Record<string, string>> = {
  csv: "text/csv",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
};

interface Seen {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly rows: readonly PreviewRow[];
  readonly columns_dropped: number;
  readonly token: string;
}

export function Upload() {
  const seen = useSignal<Seen | null>(null);
  const done = useSignal<readonly SheetRow[] | null>(null);
  const { guard, code, shown } = useFault();
  const id = useId();
  const look = async (file: File | undefined) => {
    seen.value = done.value = null;
    if (!file) return;
    const type = TYPES[file.name.split(".").pop()?.toLowerCase() ?? ""] ?? file.type;
    const bytes = new Uint8Array(await file.arrayBuffer());
    const found = await guard(() =>
      ask<Omit<Seen, "bytes" | "type">>("/lab-sheets/preview", { method: "POST", bytes, headers: { "Content-Type": type } }),
    );
    if (found) seen.value = { ...found, bytes, type };
  };
  const letIn = async ({ bytes, type, token }: Seen) => {
    const headers = { "Content-Type": type, "Preview-Token": token };
    const found = await guard(() => ask<{ rows: readonly SheetRow[] }>("/lab-sheets", { method: "POST", bytes, headers }));
    if (found) done.value = found.rows;
    if (found || code.value === "fates-differ") seen.value = null;
  };
  return (
    <Screen title={w("upload.title")}>
      <p>{w("upload.how")}</p>
      <p class="hint">{w("upload.columns")}</p>
      <div class="field">
        <label for={id}>{w("upload.file")}</label>
        <input id={id} type="file" accept=".csv,.xlsx" onChange={(event) => void look(event.currentTarget.files?.[0])} />
      </div>
      {shown}
      <Told>
        {seen.value && <Summary seen={seen.value} />}
        {done.value && <Done rows={done.value} />}
      </Told>
      {seen.value && <Preview seen={seen.value} onLetIn={letIn} />}
    </Screen>
  );
}

function Summary({ seen }: { seen: Seen }) {
  const refused = seen.rows.filter((row) => row.fate === "refused").length;
  return (
    <>
      {seen.columns_dropped > 0 && <Card tone="info" title={counted("upload.dropped", seen.columns_dropped)} />}
      {refused > 0 && <Card tone="warn" title={counted("upload.refused", refused)} />}
    </>
  );
}

function Preview({ seen, onLetIn }: { seen: Seen; onLetIn: (seen: Seen) => Promise<void> }) {
  const taken = seen.rows.filter((row) => row.fate !== "refused").length;
  return (
    <section aria-labelledby="fates">
      <h2 id="fates">{w("upload.fates")}</h2>
      <Table
        caption={w("upload.fates")}
        heads={[w("head.row"), w("head.tube"), w("head.value"), w("head.fate"), w("head.why")]}
        rows={seen.rows.map((row) => ({
          key: String(row.row),
          tone: row.fate === "refused" || row.fate === "worklist" || row.unusual ? "warn" : undefined,
          cells: [
            row.row,
            row.specimen_barcode ? <span class="tube">{tubeWords(row.specimen_barcode)}</span> : (row.case_id ?? ""),
            row.hb_value && <span class="short">{echoOf(row)}</span>,
            worded("fate", row.fate, row.fate),
            (row.reason || row.unusual) && <Why key="why" row={row} />,
          ],
        }))}
      />
      <Button label={counted("upload.let-in", taken)} kind="main" disabled={seen.rows.length === 0} onPress={() => onLetIn(seen)} />
    </section>
  );
}

function Done({ rows }: { rows: readonly SheetRow[] }) {
  const refused = rows.filter((row) => row.problem !== null);
  const idle = rows.filter((row) => row.status === 200).length;
  return (
    <section>
      <Card tone="good" title={counted("upload.done", rows.length - refused.length - idle)} />
      {idle > 0 && <Card tone="info" title={counted("upload.idle", idle)} />}
      {refused.length > 0 && (
        <Card tone="warn" title={counted("upload.sent-back", refused.length)}>
          <Button label={w("upload.look")} onPress={() => go("sent-back")} />
        </Card>
      )}
    </section>
  );
}

function Why({ row: { reason, said, unusual } }: { row: PreviewRow }) {
  const known = reason && worded("reason", reason, worded("refused", reason, ""));
  return (
    <>
      {known}
      {unusual && <p>{w("value.unusual")}</p>}
      {said && <Remedy words={known ? afterFirst(said) : said} />}
    </>
  );
}

/** "field: reason (got x). Remedy." says in English what is said already; the remedy is what is left. */
function afterFirst(said: string): string {
  return said.replace(/^.*?[^.]\. /, "");
}
