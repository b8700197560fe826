/** A referral slip for the person to carry: codes, what to do, what was found. No name, no picture, no score. */
import { useSignal } from "@preact/signals";
import type { KnownCase } from "../port";
import { moment, said, t } from "../words/words";
import { AdviceCard, adviceWords, LabelCard } from "./advice";
import { ageWords } from "./case-row";
import { go } from "./nav";
import { Button, Screen, Told } from "./parts";
import { usePhone } from "./with-phone";

export function Slip({ id }: { id: string }) {
  const phone = usePhone();
  const known = phone.cases.value.find((one) => one.case_id === id);
  const told = useSignal("");
  if (!known) return <Screen title={t("slip.title")} back={() => go("home")}><p>{t("case.gone")}</p></Screen>;
  const share = async () => {
    const text = slipText(known);
    try {
      if (navigator.share) await navigator.share({ title: t("slip.title"), text });
      else {
        await navigator.clipboard.writeText(text);
        told.value = t("slip.copied");
      }
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError")) told.value = t("slip.not-shared");
    }
  };
  return (
    <Screen title={t("slip.title")} back={() => go("case", id)}>
      <article class="slip">
        <h2>{known.subject_code}</h2>
        <p>{ageWords(known.subject.age_months)} · {t(`person.${known.subject.sex}`)} · {known.site} · {moment(known.visited_at)}</p>
        <AdviceCard known={known} />
        {known.label && <LabelCard label={known.label} />}
        {known.danger_signs.length > 0 && <p>{known.danger_signs.map((sign) => said("danger", sign, sign)).join(", ")}</p>}
        <p class="hint">{t("slip.case", { id: known.case_id })}</p>
        <p class="hint">{t("slip.not-a-diagnosis")}</p>
      </article>
      <Told>{told.value}</Told>
      <div class="thumb no-print">
        <Button label={t("slip.print")} kind="main" onPress={() => print()} />
        <Button label={t("slip.share")} icon="share" onPress={share} />
      </div>
    </Screen>
  );
}

function slipText(known: KnownCase): string {
  const { label, advice } = known;
  return [
    `${t("slip.title")}: ${known.subject_code}`,
    `${ageWords(known.subject.age_months)}, ${t(`person.${known.subject.sex}`)}, ${known.site}, ${moment(known.visited_at)}`,
    advice ? adviceWords(advice) : t("advice.none-yet"),
    ...(label ? [`${t("label.title", { value: label.hb_value, unit: label.hb_unit })}: ${label.severity ? said("severity", label.severity, label.severity) : t("label.no-criterion")}`] : []),
    t("slip.not-a-diagnosis"),
  ].join("\n");
}
