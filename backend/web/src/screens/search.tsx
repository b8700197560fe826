/** Everything that may be seen again, searched by code and filtered by where it stands. */
import { useSignal } from "@preact/signals";
import type { KnownCase, RecordState } from "../port";
import { count, t } from "../words/words";
import { CaseRow, stateWords } from "./case-row";
import { go } from "./nav";
import { Button, Card, Choice, Field, Screen } from "./parts";
import { usePhone } from "./with-phone";

type Shown = RecordState["is"] | "all";
const STATES: readonly RecordState["is"][] = ["queued", "received", "scored", "retake", "confirmed", "put-aside"];
const PAGE = 50;

export function Search() {
  const phone = usePhone();
  const text = useSignal("");
  const shown = useSignal<Shown>("all");
  const rows = useSignal(PAGE);
  const found = phone.cases.value.filter((one) => fits(one, text.value.trim().toUpperCase(), shown.value));
  const options: [Shown, string][] = [["all", t("search.all")], ...STATES.map((is): [Shown, string] => [is, stateWords({ is } as RecordState)])];
  return (
    <Screen title={t("search.title")} back={() => go("home")}>
      {phone.historyLocked.value && <Card tone="warn" title={t("home.history-locked")} />}
      <Field label={t("search.code")} value={text.value} onType={(value) => (text.value = value)} />
      <Choice<Shown> label={t("search.state")} options={options} value={shown.value} onChoose={(one) => (shown.value = one)} />
      <h2>{count("count.cases", found.length)}</h2>
      <ul class="list">
        {found.slice(0, rows.value).map((one) => (
          <li key={one.case_id}>
            <CaseRow known={one} />
          </li>
        ))}
      </ul>
      {found.length > rows.value && <Button label={t("search.more")} onPress={() => void (rows.value += PAGE)} />}
    </Screen>
  );
}

function fits(one: KnownCase, text: string, shown: Shown): boolean {
  const coded = one.subject_code.includes(text) || Boolean(one.specimen_barcode?.includes(text));
  return coded && (shown === "all" || one.state.is === shown || (shown === "queued" && one.state.is === "sending"));
}
