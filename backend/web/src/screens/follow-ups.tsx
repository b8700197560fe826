/** Whom to call back: most results come after the child has left. The gravest first. */
import { useSignal } from "@preact/signals";
import type { FollowUpState, KnownCase } from "../port";
import { count, t } from "../words/words";
import { followUpWords } from "./advice";
import { CaseRow } from "./case-row";
import { go } from "./nav";
import { Choice, Screen } from "./parts";
import { usePhone } from "./with-phone";

type Shown = FollowUpState | "open";

export function FollowUps() {
  const phone = usePhone();
  const shown = useSignal<Shown>("open");
  const found = phone.cases.value.filter((one) => (shown.value === "open" ? isOpen(one) : one.follow_up?.state === shown.value)).sort(byUrgency);
  const options = (["open", "to-call", "reached", "referred", "treated", "lost"] as const).map((one) => [one, one === "open" ? t("follow-ups.open") : followUpWords(one)] as const);
  return (
    <Screen title={t("follow-ups.title")} back={() => go("home")}>
      <Choice<Shown> label={t("follow-ups.show")} options={options} value={shown.value} onChoose={(one) => (shown.value = one)} />
      <h2>{count("count.cases", found.length)}</h2>
      <ul class="list">
        {found.map((one) => (
          <li key={one.case_id}>
            <CaseRow known={one} />
            {one.follow_up && <p class="hint">{followUpWords(one.follow_up.state)}</p>}
          </li>
        ))}
      </ul>
    </Screen>
  );
}

/** An anaemic result, or an alert, that nobody has brought to an end. */
function isOpen({ label, alert, follow_up }: KnownCase): boolean {
  const ended = follow_up?.state === "treated" || follow_up?.state === "lost";
  return !ended && (Boolean(label?.anaemic) || (alert !== null && !alert.acknowledged_at) || follow_up !== null);
}

const GRAVITY = ["severe", "moderate", "mild"];

function byUrgency(a: KnownCase, b: KnownCase): number {
  const weight = ({ alert, label }: KnownCase) => (alert && !alert.acknowledged_at ? -1 : (GRAVITY.indexOf(label?.severity ?? "") + GRAVITY.length + 1) % (GRAVITY.length + 1));
  return weight(a) - weight(b) || b.visited_at.localeCompare(a.visited_at);
}
