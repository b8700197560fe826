/** One case: what to say now, what the laboratory found, where it stands, what can still be done. */
import { useSignal } from "@preact/signals";
import type { Eye, FollowUpState, KnownCase, TakenPhoto } from "../port";
import { moment, said, t } from "../words/words";
import { AdviceCard, followUpWords, LabelCard } from "./advice";
import { ageWords, stateWords } from "./case-row";
import { refusalWords, useFault } from "./faults";
import { lazily } from "./lazily";
import { go } from "./nav";
import { Ask, Button, Card, Choice, Facts, Screen, Tick, Told } from "./parts";
import { usePhone } from "./with-phone";

const TakePhoto = lazily(async () => (await import("./take-photo")).TakePhoto);

export function OneCase({ id }: { id: string }) {
  const phone = usePhone();
  const known = phone.cases.value.find((one) => one.case_id === id);
  const retaking = useSignal<Eye | null>(null);
  if (!known) return <Screen title={t("case.title")} back={() => go("home")}><p>{t("case.gone")}</p></Screen>;
  if (retaking.value) {
    const taken = async (photo: TakenPhoto) => {
      await phone.retake(id, [photo]);
      retaking.value = null;
    };
    return (
      <Screen title={t("case.retake", { code: known.subject_code })} back={() => (retaking.value = null)}>
        <TakePhoto eye={retaking.value} training={known.consent.training} onTaken={taken} onStop={() => (retaking.value = null)} />
      </Screen>
    );
  }
  return (
    <Screen title={known.subject_code} back={() => go("home")}>
      <Alerted known={known} />
      <AdviceCard known={known} />
      {known.label && <LabelCard label={known.label} />}
      <Told>
        <p>
          {stateWords(known.state)}
          {known.waiting.length > 0 && <> · {t("case.waiting", { what: known.waiting.map((kind) => said("kind", kind, kind)).join(", ") })}</>}
        </p>
      </Told>
      {known.state.is === "put-aside" && <Card tone="warn" title={refusalWords(known.state.refusal)}><Button label={t("tasks.look")} onPress={() => go("queue")} /></Card>}
      {known.state.is === "retake" && <Retake known={known} take={(eye) => (retaking.value = eye)} />}
      <WhatWasSeen known={known} />
      <FollowUpPart known={known} />
      <ConsentPart known={known} />
      <div class="thumb">
        <Button label={t("slip.title")} icon="share" onPress={() => go("slip", id)} />
        <Button label={t("amend.title")} onPress={() => go("amend", id)} />
      </div>
    </Screen>
  );
}

/** A value below 70 g/L: until somebody says that they have seen it, it stands on top. */
function Alerted({ known }: { known: KnownCase }) {
  const phone = usePhone();
  const { guard, shown } = useFault();
  const { alert } = known;
  if (!alert) return null;
  return (
    <Card tone="danger" title={t("alert.title")}>
      <p>{t("alert.since", { at: moment(alert.since) })}</p>
      {shown}
      {alert.escalated_at && <p>{t("alert.escalated")}</p>}
      {alert.acknowledged_at ? (
        <p>{t("alert.acknowledged", { at: moment(alert.acknowledged_at) })}</p>
      ) : (
        <Button label={t("alert.acknowledge")} kind="danger" onPress={async () => void (await guard(() => phone.acknowledge(known.case_id, alert.result_id)))} />
      )}
    </Card>
  );
}

function Retake({ known, take }: { known: KnownCase; take: (eye: Eye) => void }) {
  return (
    <Card tone="warn" title={t("case.retake-asked")}>
      <ul>
        {known.photos.filter((photo) => photo.refusal).map((photo) => (
          <li key={photo.photo_id}>{photo.retake.map((reason) => said("retake", reason, reason)).join(" ") || t("reason.photo-refused")}</li>
        ))}
      </ul>
      <Button label={t("photo.take-right")} icon="camera" kind="main" onPress={() => take("right")} />
      <Button label={t("photo.take-left")} icon="camera" onPress={() => take("left")} />
    </Card>
  );
}

function WhatWasSeen({ known }: { known: KnownCase }) {
  const rows: [string, string][] = [
    [t("age.label"), ageWords(known.subject.age_months)],
    [t("person.sex"), t(`person.${known.subject.sex}`)],
    [t("altitude.label"), typeof known.subject.altitude_m === "number" ? `${known.subject.altitude_m} m` : t("label.not-adjusted")],
    [t("end.signs"), known.danger_signs.map((sign) => said("danger", sign, sign)).join(", ") || t("no")],
    [t("code.specimen"), known.specimen_barcode ?? "–"],
    [t("end.visited"), moment(known.visited_at)],
  ];
  return (
    <details>
      <summary>{t("case.facts")}</summary>
      <Facts rows={rows} />
      {known.amended && <p class="hint">{t("case.amended")}</p>}
      {known.warnings.map((warning) => <p key={warning} class="hint">{warning}</p>)}
    </details>
  );
}

const FOLLOW_UPS: readonly FollowUpState[] = ["to-call", "reached", "referred", "treated", "lost"];

function FollowUpPart({ known }: { known: KnownCase }) {
  const phone = usePhone();
  const { guard, shown } = useFault();
  return (
    <>
      {shown}
      <Choice<FollowUpState>
        label={t("follow-ups.state")}
        options={FOLLOW_UPS.map((state) => [state, followUpWords(state)] as const)}
        value={known.follow_up?.state}
        onChoose={(state) => void guard(() => phone.followUp(known.case_id, state))}
      />
    </>
  );
}

function ConsentPart({ known }: { known: KnownCase }) {
  const phone = usePhone();
  const { guard, shown } = useFault();
  const withdrawing = useSignal<"care" | "training" | null>(null);
  const state = (purpose: "care" | "training", given: boolean) =>
    guard(() => phone.sayConsent(known.case_id, { purpose, given, at: new Date().toISOString(), wording: `${purpose}-${document.documentElement.lang}-1` }));
  const tick = (purpose: "care" | "training", given: boolean) => (given ? void state(purpose, true) : void (withdrawing.value = purpose));
  return (
    <details>
      <summary>{t("case.consents")}</summary>
      {shown}
      <Tick key={`care-${withdrawing.value}`} label={t("consent.care")} value={known.consent.care} onTick={(given) => tick("care", given)} />
      <Tick key={`training-${withdrawing.value}`} label={t("consent.training")} value={known.consent.training} onTick={(given) => tick("training", given)} />
      {withdrawing.value && (
        <Ask
          question={t(withdrawing.value === "care" ? "case.withdraw-care" : "case.withdraw-training")}
          yes="case.withdraw"
          onNo={() => (withdrawing.value = null)}
          onYes={async () => {
            await state(withdrawing.value!, false);
            withdrawing.value = null;
          }}
        />
      )}
    </details>
  );
}
