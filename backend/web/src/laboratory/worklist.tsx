/** The worklist: what a human has to decide, what waits for its case, and the tubes whose value is still to come. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Ask, Button, Card, Choice, Facts, Screen, Tick } from "../screens/parts";
import { moment, t } from "../words/words";
import { Dismiss } from "./dismiss";
import { ask } from "./door";
import { toldOf, useFault } from "./faults";
import { SiteChoice, Table } from "./form";
import { go } from "./nav";
import { personWords, sexWords, valueWords } from "./say";
import type { OpenLine, Page, Specimen } from "./wire";
import { ageWords, counted, dayWords, tubeWords, w, worded } from "./words";

const MOST = 100;

export function Worklist() {
  const lines = useSignal<readonly OpenLine[] | null>(null);
  const site = useSignal("");
  const turn = useSignal(0); // what was decided is expected no more
  const { guard, shown } = useFault();
  const read = async () => {
    const query = new URLSearchParams({ limit: String(MOST), ...(site.value && { site: site.value }) });
    await guard(async () => void (lines.value = (await ask<Page<OpenLine>>(`/lab-reports?${query}`)).items));
    turn.value += 1;
  };
  useEffect(() => void read(), [site.value]);
  const toDecide = lines.value?.filter((line) => line.state === "worklist") ?? [];
  const waiting = lines.value?.filter((line) => line.state === "waiting") ?? [];
  return (
    <Screen title={w("worklist.title")}>
      <SiteChoice value={site.value} onChoose={(code) => (site.value = code)} />
      {shown}
      {toDecide.length > 0 && (
        <section aria-labelledby="to-decide">
          <h2 id="to-decide">{counted("worklist.to-decide", toDecide.length)}</h2>
          {toDecide.map((line) => (
            <Decide key={line.report_id} line={line} done={read} />
          ))}
        </section>
      )}
      {waiting.length > 0 && <Waiting lines={waiting} done={read} />}
      <Expected site={site.value} turn={turn.value} />
    </Screen>
  );
}

function Decide({ line, done }: { line: OpenLine; done: () => Promise<unknown> }) {
  const chosen = useSignal<string | null>(null);
  const asking = useSignal(false);
  const { guard, shown } = useFault();
  const person = line.candidates.find((one) => one.case_id === chosen.value);
  const options = line.candidates.map((one) => [one.case_id, personWords(one)] as const);
  const settle = (said: object) =>
    guard(async () => {
      await ask(`/lab-reports/${line.report_id}/decision`, { method: "PUT", json: said });
      await done();
    });
  return (
    <Card tone="warn" title={`${valueWords(line)}: ${worded("reason", line.reason ?? "", line.reason ?? "")}`}>
      <div class="two">
        <Facts rows={factsOf(line)} />
        <div>
          {options.length > 0 && (
            <Choice label={w("decide.whose")} options={options} value={chosen.value} onChoose={(id) => (chosen.value = id)} />
          )}
          {shown}
          <Button label={w("decide.this")} kind="main" disabled={!person} onPress={() => void (asking.value = true)} />
          <Dismiss label={w("decide.none")} onDismiss={(reason) => settle({ dismiss: reason })} />
        </div>
      </div>
      {asking.value && person && (
        <Ask
          question={w("decide.sure", { value: valueWords(line), person: personWords(person) })}
          yes="yes"
          onNo={() => (asking.value = false)}
          onYes={async () => {
            asking.value = false;
            await settle({ case_id: person.case_id });
          }}
        />
      )}
    </Card>
  );
}

function Waiting({ lines, done }: { lines: readonly OpenLine[]; done: () => Promise<unknown> }) {
  const { guard, shown } = useFault();
  const dismiss = (line: OpenLine, reason: string) =>
    guard(async () => {
      await ask(`/lab-reports/${line.report_id}/decision`, { method: "PUT", json: { dismiss: reason } });
      await done();
    });
  return (
    <section aria-labelledby="waiting">
      <h2 id="waiting">{counted("worklist.waiting", lines.length)}</h2>
      <p class="hint">{w("worklist.waiting-why")}</p>
      {shown}
      <Table
        caption={w("worklist.waiting-caption")}
        heads={[w("head.value"), w("head.tube"), w("head.since"), w("head.sender"), w("head.do")]}
        rows={lines.map((line) => ({
          key: line.report_id,
          cells: [
            valueWords(line),
            line.specimen_barcode ? tubeWords(line.specimen_barcode) : (line.subject_code ?? ""),
            moment(line.received_at),
            line.sender,
            <Dismiss key="drop" label={w("decide.drop")} onDismiss={(reason) => dismiss(line, reason)} />,
          ],
        }))}
      />
    </section>
  );
}

function Expected({ site, turn }: { site: string; turn: number }) {
  const onlyTubes = useSignal(true);
  const page = useSignal<Page<Specimen>>({ items: [], next: null });
  const fault = useSignal<string | null>(null);
  const read = async (cursor: string | null) => {
    const query = new URLSearchParams({ limit: "50", only_tubes: String(onlyTubes.value) });
    if (site) query.set("site", site);
    if (cursor) query.set("cursor", cursor);
    try {
      const found = await ask<Page<Specimen>>(`/lab-specimens?${query}`);
      page.value = { items: [...(cursor ? page.value.items : []), ...found.items], next: found.next };
    } catch (error) {
      fault.value = toldOf(error).title;
    }
  };
  useEffect(() => {
    if (turn > 0) void read(null);
  }, [turn, onlyTubes.value]);
  const { items, next } = page.value;
  return (
    <section aria-labelledby="expected">
      <h2 id="expected">{w("expected.title")}</h2>
      <Tick label={w("expected.only-tubes")} value={onlyTubes.value} onTick={(only) => (onlyTubes.value = only)} />
      {fault.value && <Card tone="warn" title={fault.value} />}
      {items.length === 0 ? (
        <p class="hint">{w("expected.none")}</p>
      ) : (
        <Table
          caption={w("expected.title")}
          heads={[w("head.tube"), w("head.code"), w("head.person"), w("head.visit"), w("head.site"), w("head.note"), w("head.do")]}
          rows={items.map((one) => ({
            key: one.case_id,
            tone: one.recollect ? "warn" : undefined,
            cells: [
              one.specimen_barcode ? <strong class="tube">{tubeWords(one.specimen_barcode)}</strong> : w("expected.no-tube"),
              one.subject_code,
              `${ageWords(one.age_months)}, ${sexWords(one.sex)}`,
              dayWords(one.visited_at),
              one.site,
              one.recollect ? w("expected.again", { why: worded("rejection", one.recollect.reason, one.recollect.reason) }) : "",
              <Button key="enter" label={w("expected.enter")} onPress={() => go("enter", one.specimen_barcode ?? one.case_id)} />,
            ],
          }))}
        />
      )}
      {next && <Button label={t("search.more")} onPress={() => read(next)} />}
    </section>
  );
}

function factsOf(line: OpenLine): (readonly [string, string])[] {
  const age = line.age_months && (line.age_months[0] === line.age_months[1] ? ageWords(line.age_months[0]) : `${ageWords(line.age_months[0])} – ${ageWords(line.age_months[1])}`);
  const facts: readonly (readonly [string, string | null])[] = [
    [w("head.tube"), line.specimen_barcode && tubeWords(line.specimen_barcode)],
    [w("head.code"), line.subject_code],
    [w("head.visit"), line.visited_on && dayWords(line.visited_on)],
    [t("age.label"), age],
    [t("person.sex"), line.sex && sexWords(line.sex)],
    [w("head.drawn"), line.taken_at && moment(line.taken_at)],
    [w("head.sender"), line.sender],
    [w("head.since"), moment(line.received_at)],
  ];
  return facts.filter((fact): fact is readonly [string, string] => Boolean(fact[1]));
}
