/** The laboratory's own words: apart from the phone's, which must not carry them. The language is chosen for both. */
import { effect, signal } from "@preact/signals";
import { filled, language, type Language } from "../words/words";
import en from "./words/en.json";

export type LabKey = keyof typeof en;
type Words = Readonly<Record<LabKey, string>>;

const LOAD: Readonly<Record<Language, () => Promise<Words>>> = {
  en: async () => en,
  fr: async () => (await import("./words/fr.json")).default,
  es: async () => (await import("./words/es.json")).default,
};
const words = signal<Words>(en);

/** To be called once a language is chosen; from then on the words follow it. */
export async function followLanguage(): Promise<void> {
  words.value = await LOAD[language.value]();
  effect(() => void LOAD[language.value]().then((found) => (words.value = found)));
}

export function w(key: LabKey, given: Readonly<Record<string, string | number>> = {}): string {
  return filled(words.value[key], given);
}

/** For codes that the server makes: the words for it, or `otherwise` where none are known. */
export function worded(group: string, code: string, otherwise: string): string {
  const key = `${group}.${code}`;
  return key in words.value ? words.value[key as LabKey] : otherwise;
}

/** "1 row", "3 rows": `key.one` and `key.other`, with `{n}`. */
export function counted(key: string, n: number): string {
  const form = new Intl.PluralRules(language.value).select(n) === "one" ? "one" : "other";
  return w(`${key}.${form}` as LabKey, { n: n.toLocaleString(language.value) });
}

export function hour(at: string): string {
  return new Intl.DateTimeFormat(language.value, { timeStyle: "short", hourCycle: "h23" }).format(new Date(at));
}

export function dayWords(at: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium" }).format(new Date(at));
}

/** Completed months as a form says them: years from five years on. */
export function ageWords(months: number): string {
  return months < 60 ? w("age.months", { n: months }) : w("age.years", { n: Math.floor(months / 12) });
}

/** `K7Q2-M4X-9TW`, as it is printed on the label. */
export function tubeWords(number: string): string {
  const plain = number.replace(/[ -]/g, "").toUpperCase();
  return plain.length === 10 ? `${plain.slice(0, 4)}-${plain.slice(4, 7)}-${plain.slice(7)}` : number;
}

/** The server's "123.0" as people write it: "123". */
export function gramsWords(g_per_l: string): string {
  return g_per_l.replace(/\.0+$/, "");
}
