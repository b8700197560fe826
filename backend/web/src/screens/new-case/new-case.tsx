/** A new case in five short steps; every tap is kept, so that nothing is asked twice after a dead battery. */
import { computed, useSignal } from "@preact/signals";
import type { Draft, DraftFacts, Eye } from "../../port";
import { faultsOf } from "../../facts/check";
import type { FieldFault } from "../../phone/fault";
import { t, type Key } from "../../words/words";
import { useFault } from "../faults";
import { go, goInstead } from "../nav";
import { Ask, Button, Screen } from "../parts";
import { usePhone } from "../with-phone";
import { ConsentStep } from "./consent-step";
import { EndStep } from "./end-step";
import { PersonStep } from "./person-step";
import { PhotoStep } from "./photo-step";
import { SignsStep } from "./signs-step";

/** What a step is given: what is known, what of it is wrong so far, and how to say more. */
export interface Step {
  draft: Draft;
  facts: DraftFacts;
  faults: readonly FieldFault[];
  say: (more: DraftFacts) => void;
}

const STEPS = ["consent", "person", "signs", "photo", "end"] as const;
type StepName = (typeof STEPS)[number];
const TITLES: Readonly<Record<StepName, Key>> = { consent: "new.consent", person: "new.person", signs: "new.signs", photo: "new.photo", end: "new.end" };
/** Where each field is asked for: a step can be left when nothing in it is missing or wrong. */
const FIELDS: Readonly<Record<StepName, readonly string[]>> = {
  consent: ["consent.care", "subject_code", "specimen_barcode", "visited_at"],
  person: ["subject.age_months", "subject.birth_month", "subject.sex", "subject.pregnancy", "subject.trimester", "subject.pregnancy_weeks", "subject.altitude_m", "subject.smoking"],
  signs: [],
  photo: [],
  end: [],
};

export function NewCase({ id }: { id: string }) {
  const phone = usePhone();
  const draft = computed(() => phone.drafts.value.find((one) => one.draft_id === id)).value;
  const said = useSignal<DraftFacts | null>(null); // what was typed last: the phone writes it down a moment later
  const tried = useSignal(false);
  const dropping = useSignal(false);
  const taking = useSignal<Eye | null>(null);
  const { guard, shown } = useFault();
  if (!draft) return <Screen title={t("new.title")} back={() => go("home")}><p>{t("new.gone")}</p></Screen>;

  const facts = said.value ?? draft.facts;
  const step: StepName = STEPS.find((one) => one === facts.step) ?? "consent";
  const faultsIn = (known: DraftFacts) => faultsOf(known, new Date()).filter((one) => FIELDS[step].includes(one.field));
  const faults = faultsIn(facts);
  const say = (more: DraftFacts) => {
    const next = together(said.value ?? draft.facts, more);
    said.value = next;
    void guard(() => phone.saveDraft(id, next));
  };
  const to = (next: StepName) => {
    tried.value = false;
    taking.value = null;
    say({ step: next });
    scrollTo(0, 0);
  };
  const at = STEPS.indexOf(step);
  const forward = () => {
    tried.value = true;
    if (faultsIn(said.value ?? draft.facts).length === 0) to(STEPS[at + 1]!);
    else setTimeout(() => document.querySelector(".fault")?.scrollIntoView({ block: "center" })); // it may stand above what is seen
  };
  const finish = () =>
    guard(async () => {
      await phone.finishDraft(id);
      goInstead("home");
    });
  const given: Step = { draft, facts, faults: tried.value ? faults : faults.filter(isPlainlyWrong), say };
  return (
    <Screen title={t(TITLES[step])} back={() => (at > 0 ? to(STEPS[at - 1]!) : go("home"))}>
      <progress aria-label={t("new.progress")} max={STEPS.length} value={at + 1} />
      {shown}
      {step === "consent" && <ConsentStep {...given} />}
      {step === "person" && <PersonStep {...given} />}
      {step === "signs" && <SignsStep {...given} />}
      {step === "photo" && <PhotoStep {...given} eye={taking} />}
      {step === "end" && <EndStep {...given} />}
      {(step !== "photo" || !taking.value) && (
        <div class="thumb">
          {step === "end" ? (
            <Button label={t("new.finish")} icon="send" kind="main" onPress={async () => void (await finish())} />
          ) : (
            <Button label={step === "photo" && draft.photos.length === 0 ? t("new.without-photo") : t("new.next")} kind="main" onPress={forward} />
          )}
          <Button label={t("new.drop")} onPress={() => void (dropping.value = true)} />
        </div>
      )}
      {dropping.value && (
        <Ask
          question={t("new.drop-sure")}
          yes="new.drop"
          onNo={() => (dropping.value = false)}
          onYes={async () => {
            await guard(() => phone.dropDraft(id));
            goInstead("home");
          }}
        />
      )}
    </Screen>
  );
}

/** What is said later replaces what was said before, also within the subject and the consents. */
function together(facts: DraftFacts, more: DraftFacts): DraftFacts {
  return {
    ...facts,
    ...more,
    ...(more.subject && { subject: { ...facts.subject, ...more.subject } }),
    ...(more.consent && { consent: { ...facts.consent, ...more.consent } }),
  };
}

/** Shown while typing; that something is missing is shown only to who wants to go on. */
function isPlainlyWrong({ code }: FieldFault): boolean {
  return code !== "missing";
}
