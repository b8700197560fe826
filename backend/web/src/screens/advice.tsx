/** What may be said about a case. The server decides; here it is only put into words, and into a sign that reads without colour. */
import { refersNow } from "../facts/check";
import type { Advice, KnownCase, Label } from "../port";
import { said, t, type Key } from "../words/words";
import { Card, type Fact, Facts, type Tone } from "./parts";

const TONES: Readonly<Record<Advice["code"], Tone>> = {
  "refer-now": "danger",
  "refer-for-blood-test": "warn",
  "retake-photo": "warn",
  "wait-for-score": "plain",
  "low-chance": "info",
  "follow-laboratory-result": "info",
};

export function AdviceCard({ known }: { known: KnownCase }) {
  const { advice } = known;
  if (!advice)
    return refersNow(known) ? <Card tone="danger" title={t("signs.refer-now")} /> : <Card tone="plain" title={t("advice.none-yet")} />;
  return (
    <Card tone={known.label?.severity === "severe" ? "danger" : TONES[advice.code]} title={adviceWords(advice)}>
      <ul>
        {advice.reasons.map((reason) => (
          <li key={reason}>{said("reason", reason, said("danger", reason, reason))}</li>
        ))}
      </ul>
    </Card>
  );
}

/** "Low chance" carries a number that only the server's own sentence has; without it, that sentence stands as it is. */
export function adviceWords({ code, words }: Advice): string {
  if (code !== "low-chance") return said("advice", code, words);
  const n = /about ([0-9]+) in 100/.exec(words)?.[1];
  return n ? t("advice.low-chance", { n }) : words;
}

export function LabelCard({ label }: { label: Label }) {
  const band = label.severity ? said("severity", label.severity, label.severity) : t("label.no-criterion");
  const rows: Fact[] = [
    [t("label.band"), `${band} (${label.table.toUpperCase().replace("-", " ")})`],
    [t("label.in-g-per-l"), `${label.hb_g_per_l} g/L`],
    [t("label.altitude"), label.altitude === "adjusted" ? t("label.adjusted", { value: label.adjusted_g_per_l }) : t("label.not-adjusted")],
    ...(label.no_criterion ? [[t("label.why"), said("no-criterion", label.no_criterion, label.no_criterion)] as const] : []),
    ...(label.supersedes ? [[t("label.corrected"), t("yes")] as const] : []),
  ];
  return (
    <Card tone={label.severity === "severe" ? "danger" : label.anaemic ? "warn" : "info"} title={t("label.title", { value: label.hb_value, unit: label.hb_unit })}>
      <Facts rows={rows} />
    </Card>
  );
}

export function followUpWords(state: string): string {
  return t(`follow-up.${state}` as Key);
}
