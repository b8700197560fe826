/** One case in a list: code, age, where it stands, what to do. */
import { refersNow } from "../facts/check";
import type { KnownCase, RecordState } from "../port";
import { moment, said, t } from "../words/words";
import { Icon, type IconName } from "./icons";
import { go } from "./nav";

const ICONS: Readonly<Record<RecordState["is"], IconName>> = {
  queued: "clock",
  sending: "send",
  "put-aside": "warn",
  received: "check",
  scored: "check",
  retake: "camera",
  confirmed: "check",
};

export function CaseRow({ known }: { known: KnownCase }) {
  const urgent = known.alert !== null || (known.advice ? known.advice.code === "refer-now" : refersNow(known));
  return (
    <button type="button" class={urgent ? "row urgent" : "row"} onClick={() => go("case", known.case_id)}>
      <Icon name={urgent ? "stop" : ICONS[known.state.is]} />
      <span class="grow">
        <strong>{known.subject_code}</strong> · {ageWords(known.subject.age_months)} {known.practice && <em>{t("practice")}</em>}
        <br />
        <span class="hint">
          {moment(known.visited_at)} · {stateWords(known.state)}
        </span>
      </span>
    </button>
  );
}

export function stateWords(state: RecordState): string {
  if (state.is === "sending" && state.total) return t("state.sending-share", { share: Math.floor((100 * state.sent) / state.total) });
  return said("state", state.is, state.is);
}

/** Months up to five years, as WHO's tables count; years from then on. */
export function ageWords(months: number): string {
  return months < 60 ? t("age.months", { n: months }) : t("age.years", { n: Math.floor(months / 12) });
}
