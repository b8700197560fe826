/** What the server says to the laboratory's pages (backend/wire/bench.py, lab.py, sent_back.py). */
export interface Standing {
  readonly result_id: string;
  readonly hb_value: string;
  readonly hb_unit: string;
  readonly hb_g_per_l: string;
  readonly taken_at: string;
  readonly specimen: string;
  readonly method: string | null;
  readonly device: string | null;
  readonly received_at: string;
  readonly received_by: string;
}

export interface Person {
  readonly case_id: string;
  readonly site: string;
  readonly subject_code: string;
  readonly visited_at: string;
  readonly age_months: number;
  readonly sex: string;
  readonly specimen_barcode: string | null;
}

export interface Specimen extends Person {
  readonly results: readonly Standing[];
  readonly recollect: { readonly reason: string; readonly asked_at: string } | null;
  /** Empty until a value is in. */
  readonly scored_photos: readonly string[];
}

export interface OpenLine {
  readonly report_id: string;
  readonly state: "waiting" | "worklist";
  readonly reason: string | null;
  readonly status: string;
  readonly sender: string;
  readonly hb_value: string | null;
  readonly hb_unit: string | null;
  readonly taken_at: string | null;
  readonly specimen_barcode: string | null;
  readonly subject_code: string | null;
  readonly visited_on: string | null;
  readonly age_months: readonly [number, number] | null;
  readonly sex: string | null;
  readonly candidates: readonly Person[];
  readonly received_at: string;
}

export interface Taken {
  readonly report_id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly case_id: string | null;
  readonly result_id: string | null;
}

export interface LinePreview {
  readonly fate: string;
  readonly reason: string | null;
  readonly hb_value: string | null;
  readonly hb_unit: string | null;
  readonly hb_g_per_l: string | null;
  readonly unusual: boolean;
  readonly specimen: string;
  readonly method: string | null;
  readonly device: string | null;
  readonly taken_at: string | null;
}

export interface PreviewRow {
  readonly row: number;
  readonly fate: string;
  readonly reason: string | null;
  readonly said: string | null;
  readonly specimen_barcode: string | null;
  readonly case_id: string | null;
  readonly hb_value: string | null;
  readonly hb_unit: string | null;
  readonly hb_g_per_l: string | null;
  readonly unusual: boolean;
}

export interface SheetRow {
  readonly row: number;
  readonly status: number;
  readonly report: Taken | null;
  readonly problem: { readonly code: string; readonly detail: string } | null;
}

export interface SentBackLine {
  readonly sent_back_id: string;
  readonly sender: string;
  readonly way: string;
  readonly number: number | null;
  readonly code: string;
  readonly field: string;
  readonly reason: string;
  readonly remedy: string;
  readonly specimen_barcode: string | null;
  readonly case_id: string | null;
  readonly times: number;
  readonly last_at: string;
  readonly looked_after_at: string | null;
  readonly looked_after_by: string | null;
}

export interface DayEntry {
  readonly kind: "result" | "correction" | "retraction" | "recollect" | "waiting";
  readonly at: string;
  readonly by: string;
  readonly entry_id: string;
  readonly case_id: string | null;
  readonly site: string | null;
  readonly subject_code: string | null;
  readonly specimen_barcode: string | null;
  readonly hb_value: string | null;
  readonly hb_unit: string | null;
  readonly hb_g_per_l: string | null;
  readonly specimen: string | null;
  readonly method: string | null;
  readonly device: string | null;
  readonly corrects_value: string | null;
  readonly corrects_unit: string | null;
  readonly reason: string | null;
  readonly retracted: string | null;
  readonly superseded: boolean;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
