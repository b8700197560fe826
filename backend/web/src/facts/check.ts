/** What of a case can be known to be wrong before anybody is asked: the server's own limits (limits.json), as typed. */
import limits from "../limits.json";
import type { FieldFault } from "../phone/fault";
import type { CaseFacts, DraftFacts, SubjectFacts } from "../port";

/** Which questions a person of this age and sex is asked; every one while the age is not known. */
export interface Asked {
  readonly pregnancy: boolean;
  readonly smoking: boolean;
}

export function askedOf(facts: DraftFacts): Asked {
  const age = ageOf(facts);
  const sex = facts.subject?.sex;
  return {
    pregnancy: sex !== "male" && (age === null || within(age, limits.pregnancy.asked_from_months, limits.pregnancy.max_age_months)),
    smoking: age === null || age >= limits.smoking.asked_from_months,
  };
}

/** Completed months at the visit; null while it cannot be told, negative for a birth after the visit. */
export function ageOf(facts: DraftFacts): number | null {
  const { age_months, birth_month } = facts.subject ?? {};
  if (typeof age_months === "number") return age_months;
  const month = /^([0-9]{4})-(0[1-9]|1[0-2])$/.exec(birth_month ?? "");
  const visit = /^([0-9]{4})-([0-9]{2})/.exec(facts.visited_at ?? "");
  if (!month || !visit) return null;
  return (Number(visit[1]) - Number(month[1])) * 12 + Number(visit[2]) - Number(month[2]);
}

export function trimesterOf(weeks: number): 1 | 2 | 3 {
  if (weeks >= limits.pregnancy_weeks.trimester_3_from) return 3;
  return weeks >= limits.pregnancy_weeks.trimester_2_from ? 2 : 1;
}

/** Every fault at once; empty when the server would take it. Codes: `missing`, `out-of-range`, `not-fitting`, `future`. */
export function faultsOf(facts: DraftFacts, now: Date): FieldFault[] {
  const subject = facts.subject ?? {};
  const faults = [
    ...codeFaults(facts),
    ...momentFaults(facts, now),
    ...ageFaults(facts),
    ...pregnancyFaults(subject, ageOf(facts)),
    ...placeFaults(subject),
  ];
  if (!subject.sex) faults.push({ field: "subject.sex", code: "missing" });
  if (!facts.consent?.care) faults.push({ field: "consent.care", code: "missing" });
  if (subject.smoking && (ageOf(facts) ?? 0) < limits.smoking.asked_from_months)
    faults.push({ field: "subject.smoking", code: "not-fitting" });
  return faults;
}

/** A number as labels carry it: ISO 7064 MOD 37,2, by which every slip of one character shows. */
export function isBarcode(text: string): boolean {
  const { letters, length } = limits.specimen_barcode;
  const number = text.replace(/[ -]/g, "").toUpperCase();
  if (number.length !== length || [...number].some((one) => !letters.includes(one))) return false;
  const all = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*";
  return [...number].reduce((sum, one) => (2 * sum + all.indexOf(one)) % 37, 0) === 1;
}

/** Danger signs and severe pallor need no server: refer now, whatever the score (pallor/advice.py). */
export function refersNow(facts: Pick<DraftFacts, "danger_signs" | "severe_pallor">): boolean {
  return Boolean(facts.severe_pallor) || (facts.danger_signs?.length ?? 0) > 0;
}

/** The body to be sealed: only what is known, nothing of the draft's own. To be called when `faultsOf` finds nothing. */
export function bodyOf(facts: DraftFacts): CaseFacts {
  const { step: _, ...said } = facts;
  const usual = { danger_signs: [], severe_pallor: false, sore_eye: false };
  return known({ ...usual, ...said }) as unknown as CaseFacts;
}

function codeFaults(facts: DraftFacts): FieldFault[] {
  const faults: FieldFault[] = [];
  if (!facts.subject_code) faults.push({ field: "subject_code", code: "missing" });
  else if (!new RegExp(limits.subject_code).test(facts.subject_code))
    faults.push({ field: "subject_code", code: "not-fitting" });
  if (facts.specimen_barcode && !isBarcode(facts.specimen_barcode))
    faults.push({ field: "specimen_barcode", code: "not-fitting" });
  return faults;
}

function momentFaults(facts: DraftFacts, now: Date): FieldFault[] {
  if (!facts.visited_at) return [{ field: "visited_at", code: "missing" }];
  const ahead = Date.parse(facts.visited_at) - now.getTime();
  return ahead > limits.ahead_hours * 3600_000 ? [{ field: "visited_at", code: "future" }] : [];
}

function ageFaults(facts: DraftFacts): FieldFault[] {
  const field = facts.subject?.birth_month ? "subject.birth_month" : "subject.age_months";
  const age = ageOf(facts);
  if (age === null) return [{ field, code: facts.subject?.birth_month ? "not-fitting" : "missing" }];
  if (facts.subject?.birth_month && typeof facts.subject.age_months === "number") return [{ field, code: "not-fitting" }];
  if (facts.subject?.birth_month && age < 0) return [{ field, code: "future" }];
  const { min, max } = limits.age_months;
  return Number.isInteger(age) && within(age, min, max) ? [] : [{ field, code: "out-of-range" }];
}

function pregnancyFaults(subject: Partial<SubjectFacts>, age: number | null): FieldFault[] {
  const { pregnancy, trimester, pregnancy_weeks: weeks } = subject;
  const faults: FieldFault[] = [];
  const { min_age_months, max_age_months } = limits.pregnancy;
  const cannot = subject.sex === "male" || (age !== null && !within(age, min_age_months, max_age_months));
  if (pregnancy === "yes" && cannot) faults.push({ field: "subject.pregnancy", code: "not-fitting" });
  if (trimester && pregnancy !== "yes") faults.push({ field: "subject.trimester", code: "not-fitting" });
  if (typeof weeks !== "number") return faults;
  const { min, max } = limits.pregnancy_weeks;
  if (!Number.isInteger(weeks) || !within(weeks, min, max))
    faults.push({ field: "subject.pregnancy_weeks", code: "out-of-range" });
  else if (pregnancy !== "yes" || (trimester && trimester !== trimesterOf(weeks)))
    faults.push({ field: "subject.pregnancy_weeks", code: "not-fitting" });
  return faults;
}

function placeFaults({ altitude_m }: Partial<SubjectFacts>): FieldFault[] {
  if (typeof altitude_m !== "number") return [];
  const { min, max } = limits.altitude_m;
  const fits = Number.isInteger(altitude_m) && within(altitude_m, min, max);
  return fits ? [] : [{ field: "subject.altitude_m", code: "out-of-range" }];
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

function known(value: object): object {
  const kept = Object.entries(value).filter(([, said]) => said !== null && said !== undefined);
  const inner = (said: unknown) => (typeof said === "object" && !Array.isArray(said) ? known(said as object) : said);
  return Object.fromEntries(kept.map(([name, said]) => [name, inner(said)]));
}
