/** What is sent to be recorded, and what is said of it before and after. */
import { moment } from "../words/words";
import { ask } from "./door";
import type { Bench } from "./kept";
import type { LinePreview, Specimen, Standing, Taken } from "./wire";
import { gramsWords, tubeWords, w, worded } from "./words";

/** What the number names, whether its case is here or not. */
export interface Named {
  readonly tube: string | null;
  readonly case_id: string | null;
}

/** What has just been done, and how it is undone. */
export interface Entered {
  readonly words: string;
  readonly tone: "good" | "info";
  readonly undo: (() => Promise<unknown>) | null;
}

/** A line as it is sent, with the echo of it that was seen. */
export interface Checked {
  readonly line: ReturnType<typeof lineOf>;
  readonly seen: LinePreview;
}

/** As a report: it waits where its case is not here yet. @throws SentBack, NoAnswer */
export async function enter({ line, seen }: Checked, specimen: Specimen | null): Promise<Entered> {
  const taken = await ask<Taken>("/lab-reports", { method: "POST", json: line });
  const whose = specimen?.subject_code ?? namedWords({ tube: line.specimen_barcode, case_id: line.case_id });
  const { result_id, report_id, reason } = taken;
  if (result_id) return { words: w("entered.recorded", { value: echoOf(seen), whose }), tone: "good", undo: () => takeBack(result_id) };
  const open = ["waiting", "worklist"].includes(taken.state);
  return {
    words: w("entered.kept", { value: echoOf(seen), whose, why: worded("reason", reason ?? "", worded("fate", taken.state, taken.state)) }),
    tone: "info",
    undo: open ? () => ask(`/lab-reports/${report_id}/decision`, { method: "PUT", json: { dismiss: "entered by mistake" } }) : null,
  };
}

/** In the place of what stands; both stay on record. @throws SentBack, NoAnswer */
export async function correct({ line, seen }: Checked, specimen: Specimen, old: Standing, reason: string): Promise<Entered> {
  const { hb, taken_at, specimen: kind, method, device, performer, resulted_at, business_id: id } = line;
  const body = { case_id: specimen.case_id, hb, taken_at, specimen: kind, method, device, performer, resulted_at, supersedes: old.result_id, reason };
  await ask(`/lab-results/${id}`, { method: "PUT", json: body });
  const words = w("entered.corrected", { value: echoOf(seen), was: `${old.hb_value} ${old.hb_unit}`, whose: specimen.subject_code });
  return { words, tone: "good", undo: () => takeBack(id) };
}

/** Within minutes, by whoever entered it. @throws SentBack, NoAnswer */
export function takeBack(result_id: string): Promise<unknown> {
  return ask(`/lab-results/${result_id}/retraction`, { method: "PUT", json: { kind: "taken-back" } });
}

/** Made once a check: sent twice, it is recorded once. */
export function lineOf({ tube, case_id }: Named, value: string, taken_at: string, bench: Bench) {
  return {
    business_id: crypto.randomUUID(),
    hb: { value, unit: bench.unit },
    specimen: bench.specimen,
    performer: bench.performer,
    method: bench.method.trim() || null,
    device: bench.device.trim() || null,
    taken_at,
    resulted_at: new Date().toISOString(),
    specimen_barcode: tube,
    case_id,
  };
}

export function echoOf({ hb_value, hb_unit, hb_g_per_l }: Pick<LinePreview, "hb_value" | "hb_unit" | "hb_g_per_l">): string {
  const grams = `${gramsWords(hb_g_per_l ?? "")} g/L`;
  const said = `${hb_value} ${hb_unit}`;
  return said === grams ? said : `${said} = ${grams}`;
}

/** The rest of what will be recorded; a name of an analyser that is not kept does not stand here. */
export function howWords({ specimen, device, method, taken_at }: LinePreview): string {
  const blood = `${w("value.specimen")}: ${worded("specimen", specimen, specimen)}`;
  return [blood, device, method, taken_at && moment(taken_at)].filter(Boolean).join(" · ");
}

export function namedWords({ tube, case_id }: Named): string {
  return tube ? tubeWords(tube) : (case_id ?? "");
}
