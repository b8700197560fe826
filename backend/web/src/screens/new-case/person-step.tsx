/** What a haemoglobin cut-off needs to know of a person, and nothing else. */
import { useSignal } from "@preact/signals";
import { ageOf, askedOf } from "../../facts/check";
import type { Pregnancy, Sex, Smoking, SubjectFacts } from "../../port";
import { said, t } from "../../words/words";
import { faultOf } from "../faults";
import { Choice, Field } from "../parts";
import { usePhone } from "../with-phone";
import type { Step } from "./new-case";

type AgeBy = "months" | "years" | "birth";

export function PersonStep({ facts, faults, say }: Step) {
  const subject = facts.subject ?? {};
  const tell = (more: Partial<SubjectFacts>) => say({ subject: more });
  const asked = askedOf(facts);
  return (
    <>
      <Age subject={subject} tell={tell} fault={faultOf(faults, "subject.age_months") ?? faultOf(faults, "subject.birth_month")} />
      <Choice<Sex>
        label={t("person.sex")}
        options={[["female", t("person.female")], ["male", t("person.male")], ["unknown", t("person.unknown")]]}
        value={subject.sex}
        fault={faultOf(faults, "subject.sex")}
        onChoose={(sex) => tell(sex === "male" ? { sex, pregnancy: null, trimester: null, pregnancy_weeks: null } : { sex })}
      />
      {asked.pregnancy && ageOf(facts) !== null && subject.sex && <PregnancyQuestions subject={subject} tell={tell} faults={faults} />}
      <Altitude subject={subject} tell={tell} site={facts.site ?? ""} fault={faultOf(faults, "subject.altitude_m")} />
      {asked.smoking && ageOf(facts) !== null && (
        <Choice<Smoking>
          label={t("person.smoking")}
          options={(["no", "<10", "10-19", ">=20", "unknown"] as const).map((code) => [code, said("smoking", code, code)] as const)}
          value={subject.smoking}
          fault={faultOf(faults, "subject.smoking")}
          onChoose={(smoking) => tell({ smoking })}
        />
      )}
    </>
  );
}

interface Part {
  subject: Partial<SubjectFacts>;
  tell: (more: Partial<SubjectFacts>) => void;
}

function Age({ subject, tell, fault }: Part & { fault: string | null }) {
  const by = useSignal<AgeBy>(subject.birth_month ? "birth" : (subject.age_months ?? 0) >= 60 && (subject.age_months ?? 0) % 12 === 0 ? "years" : "months");
  const factor = by.value === "years" ? 12 : 1;
  const typed = (value: string) => {
    const n = value.trim() === "" ? null : Number(value.replace(",", "."));
    tell({ age_months: n === null || Number.isNaN(n) ? null : Math.round(n * factor), birth_month: null });
  };
  return (
    <>
      <Choice<AgeBy>
        label={t("age.by")}
        options={[["months", t("age.in-months")], ["years", t("age.in-years")], ["birth", t("age.by-birth")]]}
        value={by.value}
        onChoose={(chosen) => {
          by.value = chosen;
          tell({ age_months: null, birth_month: null });
        }}
      />
      {by.value === "birth" ? (
        <Field label={t("age.birth")} kind="month" value={subject.birth_month ?? ""} fault={fault} onType={(value) => tell({ birth_month: value || null, age_months: null })} />
      ) : (
        <Field
          key={by.value}
          label={t("age.label")}
          mode="numeric"
          unit={t(by.value === "years" ? "age.unit-years" : "age.unit-months")}
          value={typeof subject.age_months === "number" ? String(Math.round((subject.age_months / factor) * 10) / 10) : ""}
          fault={fault}
          onType={typed}
        />
      )}
    </>
  );
}

function PregnancyQuestions({ subject, tell, faults }: Part & Pick<Step, "faults">) {
  const weeks = (value: string) => tell({ pregnancy_weeks: /^[0-9]{1,2}$/.test(value.trim()) ? Number(value) : null, trimester: null });
  return (
    <>
      <Choice<Pregnancy>
        label={t("person.pregnant")}
        options={[["yes", t("yes")], ["no", t("no")], ["unknown", t("person.unknown")]]}
        value={subject.pregnancy}
        fault={faultOf(faults, "subject.pregnancy")}
        onChoose={(pregnancy) => tell({ pregnancy, ...(pregnancy !== "yes" && { trimester: null, pregnancy_weeks: null }) })}
      />
      {subject.pregnancy === "yes" && (
        <>
          <Field label={t("person.weeks")} mode="numeric" hint={t("person.weeks-hint")} value={subject.pregnancy_weeks ? String(subject.pregnancy_weeks) : ""} fault={faultOf(faults, "subject.pregnancy_weeks")} onType={weeks} />
          {!subject.pregnancy_weeks && (
            <Choice<"1" | "2" | "3">
              label={t("person.trimester")}
              options={[["1", t("person.trimester-1")], ["2", t("person.trimester-2")], ["3", t("person.trimester-3")]]}
              value={subject.trimester ? (String(subject.trimester) as "1" | "2" | "3") : null}
              onChoose={(n) => tell({ trimester: Number(n) as 1 | 2 | 3 })}
            />
          )}
        </>
      )}
    </>
  );
}

/** Of residence: the clinic's own counts only for who says that they live there. */
function Altitude({ subject, tell, site, fault }: Part & { site: string; fault: string | null }) {
  const phone = usePhone();
  const here = phone.device.value?.sites.find((one) => one.code === site)?.altitude_m ?? null;
  type Source = "lives-at-site" | "residence" | "unknown";
  const chosen = useSignal<Source | null>(subject.altitude_source ?? null);
  const choose = (source: Source) => {
    chosen.value = source;
    if (source === "lives-at-site") tell({ altitude_source: source, altitude_m: here });
    else tell({ altitude_source: source === "residence" ? source : null, altitude_m: null });
  };
  const options: [Source, string][] = [["residence", t("altitude.elsewhere")], ["unknown", t("person.unknown")]];
  if (here !== null) options.unshift(["lives-at-site", t("altitude.lives-here", { m: here })]);
  return (
    <>
      <Choice<Source> label={t("altitude.label")} options={options} value={chosen.value} onChoose={choose} />
      {chosen.value === "residence" && (
        <Field label={t("altitude.metres")} mode="numeric" unit="m" hint={t("altitude.hint")} value={typeof subject.altitude_m === "number" ? String(subject.altitude_m) : ""} fault={fault} onType={(value) => tell({ altitude_m: /^-?[0-9]+$/.test(value.trim()) ? Number(value) : null })} />
      )}
    </>
  );
}
