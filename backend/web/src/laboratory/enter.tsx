/** Scan and enter: the tube's number first, then whose it is, then its value; what was entered can be taken back at once. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { isBarcode } from "../facts/check";
import { Button, Card, Choice, Facts, Field, Screen, Told } from "../screens/parts";
import { Scan } from "../screens/scan";
import { t } from "../words/words";
import { ask } from "./door";
import { useFault } from "./faults";
import { Form } from "./form";
import { type Entered, type Named, namedWords } from "./record";
import { Reject } from "./reject";
import { personWords, sexWords } from "./say";
import { Results } from "./results";
import { Value } from "./value";
import type { Page, Specimen, Standing } from "./wire";
import { ageWords, dayWords, tubeWords, w, worded } from "./words";

type Step = { at: "number" } | { at: "seen" } | { at: "value"; corrects: Standing | null } | { at: "reject" };

const A_CASE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function Enter({ number: begin }: { number: string | undefined }) {
  const number = useSignal(begin ? tubeWords(begin) : "");
  const found = useSignal<readonly Specimen[]>([]);
  const chosen = useSignal<Specimen | null>(null);
  const step = useSignal<Step>({ at: "number" });
  const scanning = useSignal(false);
  const entered = useSignal<Entered | null>(null);
  const { guard, shown } = useFault();
  const top = useRef<HTMLDivElement>(null);

  const look = async () => {
    if (!fits(number.value)) return;
    const page = await guard(() => ask<Page<Specimen>>(`/lab-specimens?${new URLSearchParams({ number: plain(number.value) })}`));
    if (!page) return;
    entered.value = null;
    found.value = page.items;
    chosen.value = page.items.length === 1 ? page.items[0]! : null;
    const one = chosen.value;
    step.value = page.items.length > 1 || (one && one.results.length > 0) ? { at: "seen" } : { at: "value", corrects: null };
  };
  const anew = (done: Entered | null) => {
    entered.value = done;
    number.value = "";
    [found.value, chosen.value, step.value] = [[], null, { at: "number" }];
  };
  useEffect(() => {
    if (begin) void look();
  }, []);
  useEffect(() => {
    if (step.value.at === "number") top.current?.querySelector("input")?.focus();
    if (step.value.at === "seen") document.querySelector("h1")?.focus(); // what it was typed into is gone
  }, [step.value.at]);

  const at = step.value;
  const named: Named = {
    tube: isBarcode(number.value) ? plain(number.value) : null,
    case_id: chosen.value?.case_id ?? (A_CASE.test(plain(number.value)) ? plain(number.value) : null),
  };
  return (
    <Screen title={w("enter.title")} back={at.at === "number" ? undefined : () => anew(null)}>
      <Told>{entered.value && <Just done={entered.value} onUndone={(words) => (entered.value = { words, tone: "info", undo: null })} />}</Told>
      {at.at === "number" && (
        <div ref={top}>
          <Form onSend={look}>
            <Field
              label={w("enter.number")}
              hint={w("enter.number-hint")}
              value={number.value}
              onType={(text) => (number.value = text)}
              fault={faultAsTyped(number.value)}
            />
            {shown}
            <Button label={w("enter.look")} kind="main" disabled={!fits(number.value)} onPress={look} />
          </Form>
          {scanning.value ? (
            <Scan
              formats={["code_128"]}
              onStop={() => (scanning.value = false)}
              onFound={(text) => {
                scanning.value = false;
                number.value = text;
                void look();
              }}
            />
          ) : (
            <Button label={w("enter.scan")} icon="scan" onPress={() => void (scanning.value = true)} />
          )}
        </div>
      )}
      {at.at !== "number" && (chosen.value || found.value.length === 0) && <Whose specimen={chosen.value} named={named} />}
      {at.at === "seen" && found.value.length > 1 && (
        <Choice
          label={w("enter.several")}
          options={found.value.map((one) => [one.case_id, personWords(one)] as const)}
          value={chosen.value?.case_id}
          onChoose={(id) => (chosen.value = found.value.find((one) => one.case_id === id) ?? null)}
        />
      )}
      {at.at === "seen" && chosen.value && (
        <Results
          specimen={chosen.value}
          onCorrect={(corrects) => (step.value = { at: "value", corrects })}
          onTakenBack={() => anew({ words: w("results.taken-back"), tone: "info", undo: null })}
        />
      )}
      {at.at === "seen" && chosen.value?.results.length === 0 && (
        <Button label={w("enter.value")} kind="main" onPress={() => void (step.value = { at: "value", corrects: null })} />
      )}
      {at.at === "value" && (
        <Value specimen={chosen.value} named={named} corrects={at.corrects} onDone={anew} onReject={() => (step.value = { at: "reject" })} />
      )}
      {at.at === "reject" && <Reject specimen={chosen.value} named={named} onDone={anew} />}
    </Screen>
  );
}

function Just({ done, onUndone }: { done: Entered; onUndone: (words: string) => void }) {
  const { guard, shown } = useFault();
  const undo = async () => {
    const gone = await guard(async () => {
      await done.undo?.();
      return true;
    });
    if (gone) onUndone(w("entered.undone"));
  };
  return (
    <Card tone={done.tone} title={done.words}>
      {shown}
      {done.undo && <Button label={w("entered.undo")} onPress={undo} />}
    </Card>
  );
}

function Whose({ specimen, named }: { specimen: Specimen | null; named: Named }) {
  if (!specimen) return <Card tone="info" title={w("whose.nobody", { number: namedWords(named) })} />;
  const { recollect } = specimen;
  return (
    <div class="whose">
      <Facts
        rows={[
          [w("head.tube"), specimen.specimen_barcode ? tubeWords(specimen.specimen_barcode) : w("expected.no-tube")],
          [w("head.code"), specimen.subject_code],
          [w("head.person"), `${ageWords(specimen.age_months)}, ${sexWords(specimen.sex)}`],
          [w("head.visit"), dayWords(specimen.visited_at)],
          [w("head.site"), specimen.site],
        ]}
      />
      <p>{w("whose.compare")}</p>
      {recollect && <Card tone="warn" title={w("expected.again", { why: worded("rejection", recollect.reason, recollect.reason) })} />}
    </div>
  );
}

function plain(number: string): string {
  const said = number.trim();
  return A_CASE.test(said.toLowerCase()) ? said.toLowerCase() : said.replace(/[ -]/g, "").toUpperCase();
}

function fits(number: string): boolean {
  return isBarcode(number) || A_CASE.test(plain(number));
}

/** A slip shows with the tenth character: the last one is a check character. */
function faultAsTyped(number: string): string | null {
  const said = number.replace(/[ -]/g, "");
  if (said.length < 10 || fits(number)) return null;
  const mayBeACase = /^[0-9a-f]{10,32}$/i.test(said) && said.length < 32 && number.includes("-");
  return mayBeACase ? null : t("field-fault.specimen_barcode.not-fitting");
}
