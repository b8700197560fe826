/** Every screen with made-up cases, for looking at it and for axe: `stage.html?as=locked#/queue` under Vite's own server. */
import { signal } from "@preact/signals";
import { render } from "preact";
import type { Draft, KnownCase, Phone, QueueRecord, Task } from "../src/port";
import { App } from "../src/screens/app";
import "../src/screens/style.css";
import { WithPhone } from "../src/screens/with-phone";
import { speak, type Language } from "../src/words/words";

const asked = new URLSearchParams(location.search);
const as = asked.get("as") ?? "in";
const now = new Date().toISOString();
const site = { code: "kumasi-1", practice: false, altitude_m: 250 };

const plain: KnownCase = {
  case_id: "c-1",
  site: site.code,
  practice: false,
  subject_code: "A-017",
  visited_at: now,
  subject: { age_months: 26, sex: "female", altitude_m: 250, altitude_source: "lives-at-site" },
  danger_signs: [],
  severe_pallor: false,
  sore_eye: false,
  specimen_barcode: "VHMQYDY2YY",
  consent: { care: true, training: true },
  mine: true,
  state: { is: "scored" },
  advice: { code: "refer-for-blood-test", words: "Refer for a blood test.", reasons: ["not-cleared"] },
  label: null,
  photos: [{ photo_id: "p-1", state: "scored", refusal: null, retake: [] }],
  alert: null,
  follow_up: null,
  amended: false,
  warnings: [],
  waiting: [],
  results: [],
};
const label = {
  lab_result_id: "r-1",
  table: "who-2024",
  group: "24-59-months",
  hb_value: "6.4",
  hb_unit: "g/dL",
  hb_g_per_l: "64.0",
  adjusted_g_per_l: "64.0",
  altitude: "adjusted" as const,
  severity: "severe",
  anaemic: true,
  no_criterion: null,
  supersedes: null,
  derived_at: now,
};
const alert = { result_id: "r-1", since: now, state: "escalated" as const, acknowledged_at: null, escalated_at: now };
const cases: KnownCase[] = [
  plain,
  { ...plain, case_id: "c-2", subject_code: "A-018", state: { is: "confirmed" }, label, alert, advice: { code: "refer-now", words: "The laboratory found severe anaemia. Refer now.", reasons: ["severe-anaemia"] }, follow_up: { state: "to-call", at: now, note: null } },
  { ...plain, case_id: "c-3", subject_code: "A-019", state: { is: "retake" }, photos: [{ photo_id: "p-3", state: "refused", refusal: "blurred", retake: [] }], advice: { code: "retake-photo", words: "The photo could not be used. Take another.", reasons: ["photo-refused"] } },
  { ...plain, case_id: "c-4", subject_code: "A-020", state: { is: "queued" }, advice: null, waiting: ["amendment"] },
  { ...plain, case_id: "c-5", subject_code: "A-021", advice: { code: "low-chance", words: "Low chance from this photo: about 4 in 100 people with this result here are anaemic.", reasons: ["screen-negative"] } },
  { ...plain, case_id: "c-6", subject_code: "A-022", state: { is: "confirmed" }, label: { ...label, severity: null, anaemic: null, no_criterion: "below-6-months", altitude: "not adjusted" }, advice: { code: "follow-laboratory-result", words: "…", reasons: ["no-criterion"] } },
];
const refusal = { code: "age-implausible", title: "The age is outside what people reach", faults: [{ field: "subject.age_months", message: "1 500 months", remedy: "Give 0 to 1440 months." }], at: now, kept_by_server: false };
const records: QueueRecord[] = [
  { submission_id: "s-1", kind: "case", case_id: "c-4", site: site.code, person: "nurse-12", sealed_at: now, bytes: 120_000, state: { is: "sending", sent: 48_000, total: 120_000 }, attempts: 1, subject_code: "A-020" },
  { submission_id: "s-2", kind: "case", case_id: "c-9", site: site.code, person: "nurse-12", sealed_at: now, bytes: 90_000, state: { is: "put-aside", refusal }, attempts: 1, subject_code: null },
];
const tasks: Task[] = [
  { is: "alert", case_id: "c-2", subject_code: "A-018", alert },
  { is: "refused", submission_id: "s-2", kind: "case", case_id: "c-9", subject_code: null, refusal },
  { is: "retake", case_id: "c-3", subject_code: "A-019", reasons: ["Hold still and wait until it is sharp."] },
  { is: "sign-in-again" },
];
const step = asked.get("step") ?? "consent";
const draft: Draft = {
  draft_id: "d-1",
  case_id: "c-10",
  site: site.code,
  started_at: now,
  facts: { site: site.code, step, visited_at: now, subject_code: "A-023", subject: { age_months: 300, sex: "female", pregnancy: "yes", altitude_source: "residence" }, danger_signs: ["breathless"], sore_eye: true, consent: { care: { given_at: now, wording: "care-en-1" } } },
  photos: [],
};

const done = async () => {};
const inside = as !== "enrol" && as !== "people" && as !== "wiped";
const phone: Phone = {
  device: signal(as === "enrol" ? null : { name: "clinic-a-phone-1", sites: [site], world: "real", state: "active" }),
  wiped: signal(as === "wiped"),
  enrol: done,
  people: signal([{ name: "nurse-12", has_pin: true, tries_left: 10 }, { name: "nurse-13", has_pin: false, tries_left: 10 }]),
  session: signal(inside ? { person: "nurse-12", sites: [site, { ...site, code: "school", practice: true }], sign_in_again: true } : null),
  signIn: async () => "new-pin",
  choosePassword: async () => "new-pin",
  choosePin: done,
  unlock: async () => ({ is: "wrong", tries_left: 9 }),
  lock: () => {},
  changePin: done,
  drafts: signal([draft]),
  startDraft: async () => draft,
  saveDraft: async (_, facts) => void ((phone.drafts as ReturnType<typeof signal<readonly Draft[]>>).value = [{ ...draft, facts }]),
  keepPhoto: done,
  dropPhoto: done,
  photoOf: async () => new Blob(),
  dropDraft: done,
  finishDraft: async () => "s-3",
  cases: signal(cases),
  historyLocked: signal(as === "locked"),
  queue: signal(records),
  sending: signal({ all_sent: false, waiting: 1, put_aside: 1, sent_bytes: 48_000, total_bytes: 120_000, busy: as === "in", pause: as === "locked" ? "portal" : null, next_try_at: now }),
  tasks: signal(tasks),
  sendNow: done,
  amend: done,
  retake: done,
  sayConsent: done,
  followUp: done,
  acknowledge: done,
  tryAgain: done,
  draftFrom: async () => draft,
  discard: done,
  contact: signal({ is: "online", last_at: now }),
  storage: signal({ used_bytes: 12e6, quota_bytes: 2e9, persisted: false, low: true }),
  askToPersist: async () => false,
  updateReady: signal(as === "in"),
  takeUpdate: done,
};

await speak((asked.get("words") ?? "en") as Language);
render(<WithPhone value={phone}><App /></WithPhone>, document.getElementById("app")!);
