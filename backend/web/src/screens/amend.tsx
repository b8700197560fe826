/** Facts of a case are put right afterwards, with a reason; what they were stays on record. */
import { useSignal } from "@preact/signals";
import limits from "../limits.json";
import type { Amendment, DangerSign, Sex } from "../port";
import { said, t } from "../words/words";
import { useFault } from "./faults";
import { go, goInstead } from "./nav";
import { Button, Choice, Field, Screen, Tick } from "./parts";
import { usePhone } from "./with-phone";

export function Amend({ id }: { id: string }) {
  const phone = usePhone();
  const known = phone.cases.value.find((one) => one.case_id === id);
  const changes = useSignal<Amendment["changes"]>({});
  const reason = useSignal("");
  const { guard, shown } = useFault();
  if (!known) return <Screen title={t("amend.title")} back={() => go("home")}><p>{t("case.gone")}</p></Screen>;
  const now = { ...known, ...changes.value, subject: { ...known.subject, ...changes.value.subject } };
  const say = (more: Amendment["changes"]) => {
    changes.value = { ...changes.value, ...more, ...(more.subject && { subject: { ...changes.value.subject, ...more.subject } }) };
  };
  const whole = (text: string) => (/^-?[0-9]+$/.test(text.trim()) ? Number(text) : undefined);
  const tick = (sign: DangerSign, on: boolean) => say({ danger_signs: on ? [...now.danger_signs, sign] : now.danger_signs.filter((one) => one !== sign) });
  const send = () =>
    guard(async () => {
      await phone.amend(id, { changes: changes.value, reason: reason.value.trim() });
      goInstead("case", id);
    });
  const fits = reason.value.trim().length >= limits.reason.min && Object.keys(changes.value).length > 0;
  return (
    <Screen title={t("amend.title")} back={() => go("case", id)}>
      <p>{t("amend.how")}</p>
      {shown}
      <Field label={t("age.label")} mode="numeric" unit={t("age.unit-months")} value={String(now.subject.age_months)} onType={(text) => { const n = whole(text); if (n !== undefined) say({ subject: { age_months: n } }); }} />
      <Choice<Sex> label={t("person.sex")} options={[["female", t("person.female")], ["male", t("person.male")], ["unknown", t("person.unknown")]]} value={now.subject.sex} onChoose={(sex) => say({ subject: { sex } })} />
      <Field label={t("altitude.metres")} mode="numeric" unit="m" value={typeof now.subject.altitude_m === "number" ? String(now.subject.altitude_m) : ""} onType={(text) => { const n = whole(text); if (n !== undefined) say({ subject: { altitude_m: n } }); }} />
      {(limits.danger_signs as readonly DangerSign[]).map((sign) => (
        <Tick key={sign} label={said("danger", sign, sign)} value={now.danger_signs.includes(sign)} onTick={(on) => tick(sign, on)} />
      ))}
      <Tick label={t("signs.severe-pallor")} value={now.severe_pallor} onTick={(on) => say({ severe_pallor: on })} />
      <Tick label={t("signs.sore-eye")} value={now.sore_eye} onTick={(on) => say({ sore_eye: on })} />
      <Field label={t("amend.reason")} hint={t("amend.reason-hint", { min: limits.reason.min, max: limits.reason.max })} value={reason.value} onType={(text) => (reason.value = text.slice(0, limits.reason.max))} />
      <div class="thumb">
        <Button label={t("amend.do")} kind="main" disabled={!fits} onPress={async () => void (await send())} />
      </div>
    </Screen>
  );
}
