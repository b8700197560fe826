import { expect, test } from "vitest";
import { facts, NOW } from "../../tests/a";
import type { DraftFacts, SubjectFacts } from "../port";
import { ageOf, askedOf, bodyOf, faultsOf, isBarcode, refersNow, trimesterOf } from "./check";

const found = (said: DraftFacts) => faultsOf(said, NOW).map(({ field, code }) => [field, code]);
const of = (subject: Partial<SubjectFacts>) => facts({ subject });

test("facts that the server takes have no fault", () => {
  expect(found(facts())).toEqual([]);
  expect(found(of({ birth_month: "2024-05", sex: "male", altitude_m: 250 }))).toEqual([]);
  expect(found(of({ age_months: 300, sex: "female", pregnancy: "yes", trimester: 2, pregnancy_weeks: 20 }))).toEqual([]);
});

test("nothing said is every fault at once", () => {
  expect(found({})).toEqual([
    ["subject_code", "missing"],
    ["visited_at", "missing"],
    ["subject.age_months", "missing"],
    ["subject.sex", "missing"],
    ["consent.care", "missing"],
  ]);
});

test.each<[string, DraftFacts, string, string]>([
  ["a name", facts({ subject_code: "Ama" }), "subject_code", "not-fitting"],
  ["a code with a blank", facts({ subject_code: "A 17" }), "subject_code", "not-fitting"],
  ["a tube that is none", facts({ specimen_barcode: "x" }), "specimen_barcode", "not-fitting"],
  ["a visit next week", facts({ visited_at: "2026-12-04T20:00:00.000Z" }), "visited_at", "future"],
  ["older than people get", of({ age_months: 1441, sex: "male" }), "subject.age_months", "out-of-range"],
  ["half a month", of({ age_months: 7.5, sex: "male" }), "subject.age_months", "out-of-range"],
  ["born after the visit", of({ birth_month: "2026-12", sex: "male" }), "subject.birth_month", "future"],
  ["no such month", of({ birth_month: "2026-13", sex: "male" }), "subject.birth_month", "not-fitting"],
  ["an age said twice", of({ birth_month: "2024-05", age_months: 30, sex: "male" }), "subject.birth_month", "not-fitting"],
  ["a pregnant man", of({ age_months: 300, sex: "male", pregnancy: "yes" }), "subject.pregnancy", "not-fitting"],
  ["a pregnant child", of({ age_months: 60, sex: "female", pregnancy: "yes" }), "subject.pregnancy", "not-fitting"],
  ["a trimester of nothing", of({ age_months: 300, sex: "female", trimester: 1 }), "subject.trimester", "not-fitting"],
  ["weeks of another trimester", of({ age_months: 300, sex: "female", pregnancy: "yes", trimester: 1, pregnancy_weeks: 30 }), "subject.pregnancy_weeks", "not-fitting"],
  ["above every town", of({ age_months: 30, sex: "male", altitude_m: 6_000 }), "subject.altitude_m", "out-of-range"],
  ["a smoking child", of({ age_months: 30, sex: "male", smoking: "no" }), "subject.smoking", "not-fitting"],
])("%s is named", (_, said, field, code) => {
  expect(found(said)).toEqual([[field, code]]);
});

test("an age comes from months or from a birth month, at the visit", () => {
  expect(ageOf(of({ age_months: 30 }))).toBe(30);
  expect(ageOf(of({ birth_month: "2024-05" }))).toBe(30);
  expect(ageOf({ subject: {} })).toBeNull();
});

test("who is asked about pregnancy and smoking", () => {
  expect(askedOf(of({ age_months: 30, sex: "female" }))).toEqual({ pregnancy: false, smoking: false });
  expect(askedOf(of({ age_months: 180, sex: "female" }))).toEqual({ pregnancy: true, smoking: true });
  expect(askedOf(of({ age_months: 180, sex: "male" }))).toEqual({ pregnancy: false, smoking: true });
  expect(askedOf({})).toEqual({ pregnancy: true, smoking: true });
});

test("weeks give the trimester", () => {
  expect([1, 13, 14, 27, 28, 42].map(trimesterOf)).toEqual([1, 1, 2, 2, 3, 3]);
});

test("a slip in a tube's number shows, its blanks and cases do not", () => {
  expect(isBarcode("VHMQYDY2YY")).toBe(true);
  expect(isBarcode("vhmq-ydy-2yy")).toBe(true);
  for (const slip of ["VHMQYDYY2Y", "VHMQYDY2Y", "VHMQYDY2YYY", "AHMQYDY2YY", "OHMQYDY2YY"]) expect(isBarcode(slip)).toBe(false);
});

test("danger signs and severe pallor refer at once", () => {
  expect(refersNow({ danger_signs: ["breathless"] })).toBe(true);
  expect(refersNow({ severe_pallor: true })).toBe(true);
  expect(refersNow({ danger_signs: [], severe_pallor: false })).toBe(false);
});

test("a body holds what is known, and nothing of the draft's own", () => {
  const said = facts({ step: "camera", specimen_barcode: null, subject: { age_months: 30, sex: "male", altitude_m: null } });
  expect(bodyOf(said)).toEqual({
    ...facts(),
    subject: { age_months: 30, sex: "male" },
    danger_signs: [],
    severe_pallor: false,
    sore_eye: false,
  });
});
