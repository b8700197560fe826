/** What will be sealed, once more in sight: afterwards nobody can reopen it on this phone. */
import { ageOf, refersNow } from "../../facts/check";
import { count, moment, said, t } from "../../words/words";
import { ageWords } from "../case-row";
import { Card, Facts } from "../parts";
import type { Step } from "./new-case";

export function EndStep({ draft, facts }: Step) {
  const age = ageOf(facts);
  const rows: [string, string][] = [
    [t("code.subject"), facts.subject_code ?? ""],
    [t("age.label"), age === null ? "" : ageWords(age)],
    [t("person.sex"), facts.subject?.sex ? t(`person.${facts.subject.sex}`) : ""],
    [t("altitude.label"), typeof facts.subject?.altitude_m === "number" ? `${facts.subject.altitude_m} m` : t("label.not-adjusted")],
    [t("end.signs"), (facts.danger_signs ?? []).map((sign) => said("danger", sign, sign)).join(", ") || t("no")],
    [t("code.specimen"), facts.specimen_barcode ?? "–"],
    [t("end.photos"), count("count.photos", draft.photos.length)],
    [t("end.visited"), facts.visited_at ? moment(facts.visited_at) : ""],
  ];
  return (
    <>
      {refersNow(facts) && <Card tone="danger" title={t("signs.refer-now")} />}
      <Facts rows={rows} />
      <p class="hint">{t("end.sealed")}</p>
    </>
  );
}
