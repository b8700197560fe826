/** One value with its unit: chosen, then seen in g/L as it would be recorded, then recorded. Nothing is filled in unseen. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { Button, Card, Choice, Field, Tick } from "../screens/parts";
import { moment } from "../words/words";
import { ask } from "./door";
import { useFault } from "./faults";
import { Form } from "./form";
import { BARE_BENCH, keepBench, keptBench } from "./kept";
import { type Checked, correct, echoOf, enter, type Entered, howWords, lineOf, type Named } from "./record";
import type { LinePreview, Specimen, Standing } from "./wire";
import { w, worded } from "./words";

const UNITS = ["g/dL", "g/L", "mmol/L"] as const;

interface Given {
  specimen: Specimen | null;
  named: Named;
  corrects: Standing | null;
  onDone: (done: Entered) => void;
  onReject: () => void;
}

export function Value({ specimen, named, corrects, onDone, onReject }: Given) {
  const kept = keptBench();
  const value = useSignal("");
  const bench = useSignal({ ...BARE_BENCH, ...kept });
  const remember = useSignal(kept !== null);
  const drawn = useSignal<"visit" | "now" | "other" | null>(corrects ? "other" : null);
  const drawnAt = useSignal(corrects ? localOf(corrects.taken_at) : "");
  const reason = useSignal("");
  const checked = useSignal<Checked | null>(null);
  const tried = useSignal(false);
  const { guard, shown } = useFault();
  const panel = useRef<HTMLDivElement>(null);
  const big = useRef<HTMLDivElement>(null);
  const id = useId();

  const set = (change: Partial<typeof bench.value>) => {
    bench.value = { ...bench.value, ...change };
    checked.value = null;
  };
  const taken = drawn.value === "visit" ? (specimen?.visited_at ?? null) : drawn.value === "now" ? new Date().toISOString() : isoOf(drawnAt.value);
  const missing = {
    value: !value.value,
    unit: !bench.value.unit,
    specimen: !bench.value.specimen,
    performer: !bench.value.performer,
    drawn: !taken,
    reason: corrects !== null && reason.value.trim().length < 3,
  };
  const lacks = (name: keyof typeof missing) => (tried.value && missing[name] ? w("value.missing") : null);
  const check = async () => {
    tried.value = true;
    if (Object.values(missing).some(Boolean) || !taken) return;
    keepBench(remember.value ? bench.value : null);
    const line = lineOf(named, value.value, taken, bench.value);
    const seen = await guard(() => ask<LinePreview>("/lab-reports/preview", { method: "POST", json: line }));
    if (seen) checked.value = { line, seen };
  };
  const record = async (one: Checked) => {
    const done = await guard(() => (corrects && specimen ? correct(one, specimen, corrects, reason.value.trim()) : enter(one, specimen)));
    if (done) onDone(done);
  };
  useEffect(() => big.current?.querySelector("input")?.focus(), []);
  useEffect(() => panel.current?.querySelector<HTMLButtonElement>("button.main")?.focus(), [checked.value]);

  return (
    <>
      {corrects && <Card tone="info" title={w("value.corrects", { was: `${corrects.hb_value} ${corrects.hb_unit}` })} />}
      <Form onSend={check}>
        <div class="two">
          <div>
            <div class="big" ref={big}>
              <Field
                label={w("value.label")}
                value={value.value}
                mode="decimal"
                unit={bench.value.unit ?? "?"}
                fault={lacks("value")}
                onType={(text) => {
                  value.value = text.trim().replace(",", ".");
                  checked.value = null;
                }}
              />
            </div>
            <Choice label={w("value.unit")} options={UNITS.map((unit) => [unit, unit] as const)} value={bench.value.unit} fault={lacks("unit")} onChoose={(unit) => set({ unit })} />
            <Choice
              label={w("value.drawn")}
              options={drawnOptions(specimen)}
              value={drawn.value}
              fault={drawn.value === "other" ? null : lacks("drawn")}
              onChoose={(when) => {
                drawn.value = when;
                checked.value = null;
              }}
            />
            {drawn.value === "other" && (
              <div class="field">
                <label for={id}>{w("value.drawn-at")}</label>
                <input
                  id={id}
                  type="datetime-local"
                  value={drawnAt.value}
                  onInput={(event) => {
                    drawnAt.value = event.currentTarget.value;
                    checked.value = null;
                  }}
                />
                {lacks("drawn") && <p class="fault">{lacks("drawn")}</p>}
              </div>
            )}
          </div>
          <div>
            <Choice label={w("value.specimen")} options={optionsOf("specimen", ["venous", "capillary", "unknown"])} value={bench.value.specimen} fault={lacks("specimen")} onChoose={(kind) => set({ specimen: kind })} />
            <Choice label={w("value.performer")} options={optionsOf("performer", ["laboratory", "point-of-care"])} value={bench.value.performer} fault={lacks("performer")} onChoose={(performer) => set({ performer })} />
            <Field label={w("value.device")} hint={w("value.device-hint")} value={bench.value.device} onType={(device) => set({ device })} />
            <Field label={w("value.method")} value={bench.value.method} onType={(method) => set({ method })} />
            <Tick label={w("value.remember")} value={remember.value} onTick={(yes) => (remember.value = yes)} />
          </div>
        </div>
        {corrects && <Field label={w("why")} hint={w("why.hint")} value={reason.value} fault={lacks("reason")} onType={(text) => (reason.value = text)} />}
        {!checked.value && shown}
        {!checked.value && <Button label={w("value.check")} kind="main" onPress={check} />}
      </Form>
      {checked.value && (
        <div ref={panel} class="echo" role="group" aria-label={w("value.echo")}>
          <p class="echo-value">{echoOf(checked.value.seen)}</p>
          <p>{howWords(checked.value.seen)}</p>
          <p>{corrects ? w("value.replaces", { was: `${corrects.hb_value} ${corrects.hb_unit}` }) : fateWords(checked.value.seen, specimen)}</p>
          {checked.value.seen.unusual && <Card tone="warn" title={w("value.unusual")} />}
          {shown}
          <Button label={w("value.record")} kind="main" onPress={() => record(checked.value!)} />
          <Button label={w("value.change")} onPress={() => void (checked.value = null)} />
        </div>
      )}
      {!corrects && !checked.value && <Button label={w("value.rejected")} onPress={onReject} />}
    </>
  );
}

function fateWords({ fate, reason }: LinePreview, specimen: Specimen | null): string {
  if (fate === "recorded") return w("value.will-be", { whose: specimen?.subject_code ?? "" });
  return `${worded("fate", fate, fate)}: ${worded("reason", reason ?? "", reason ?? "")}`;
}

function drawnOptions(specimen: Specimen | null): (readonly ["visit" | "now" | "other", string])[] {
  const at = specimen && ([["visit", w("value.drawn-visit", { at: moment(specimen.visited_at) })]] as const);
  return [...(at ?? []), ["now", w("value.drawn-now")], ["other", w("value.drawn-other")]];
}

function optionsOf(group: string, codes: readonly string[]): (readonly [string, string])[] {
  return codes.map((code) => [code, worded(group, code, code)]);
}

/** As a field of local time takes it. */
function localOf(at: string): string {
  const there = new Date(at);
  return new Date(there.getTime() - there.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function isoOf(local: string): string | null {
  const at = new Date(local);
  return local && !Number.isNaN(at.getTime()) ? at.toISOString() : null;
}

