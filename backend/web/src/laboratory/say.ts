/** Values and people, as the laboratory's pages say them. */
import type { Person } from "./wire";
import { ageWords, dayWords, tubeWords, w } from "./words";

export function sexWords(sex: string): string {
  return w(sex === "female" ? "sex.female" : sex === "male" ? "sex.male" : "sex.unknown");
}

export function personWords(person: Person): string {
  const tube = person.specimen_barcode ? ` · ${tubeWords(person.specimen_barcode)}` : "";
  return `${person.subject_code} · ${ageWords(person.age_months)}, ${sexWords(person.sex)} · ${dayWords(person.visited_at)} · ${person.site}${tube}`;
}

export function valueWords({ hb_value, hb_unit }: { readonly hb_value: string | null; readonly hb_unit: string | null }): string {
  return hb_value ? `${hb_value} ${hb_unit}` : w("no-value");
}

