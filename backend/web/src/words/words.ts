/** The words on the screen, in the language of whoever holds the phone. English comes with the first screen, others when chosen. */
import { signal } from "@preact/signals";
import en from "./en.json";

export type Key = keyof typeof en;
export type Language = "en" | "fr" | "es";
type Words = Readonly<Record<Key, string>>;

interface Known {
  readonly name: string;
  readonly direction: "ltr" | "rtl";
  readonly load: () => Promise<Words>;
}

export const LANGUAGES: Readonly<Record<Language, Known>> = {
  en: { name: "English", direction: "ltr", load: async () => en },
  fr: { name: "Français", direction: "ltr", load: async () => (await import("./fr.json")).default },
  es: { name: "Español", direction: "ltr", load: async () => (await import("./es.json")).default },
};

const KEPT = "pallor.language";
const words = signal<Words>(en);
export const language = signal<Language>("en");

/** The one that was chosen here before, else the browser's. */
export async function beginWithWords(): Promise<void> {
  const wished = [localStorage.getItem(KEPT) ?? "", ...navigator.languages].map((one) => one.slice(0, 2));
  await speak((wished.find(isKnown) as Language | undefined) ?? "en");
}

export async function speak(chosen: Language): Promise<void> {
  words.value = await LANGUAGES[chosen].load();
  language.value = chosen;
  document.documentElement.lang = chosen;
  document.documentElement.dir = LANGUAGES[chosen].direction;
}

export async function choose(chosen: Language): Promise<void> {
  localStorage.setItem(KEPT, chosen);
  await speak(chosen);
}

/** `{name}` in the words is replaced by what is given under that name. */
export function t(key: Key, given: Readonly<Record<string, string | number>> = {}): string {
  return filled(words.value[key], given);
}

export function filled(text: string, given: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{([a-z_]+)\}/g, (whole, name: string) => String(given[name] ?? whole));
}

/** For codes that the server makes: the words for it, or `otherwise` where none are known. */
export function said(group: string, code: string, otherwise: string): string {
  const key = `${group}.${code}`;
  return key in words.value ? words.value[key as Key] : otherwise;
}

/** "1 case", "3 cases": `key.one` and `key.other`, with `{n}`. */
export function count(key: string, n: number): string {
  const form = new Intl.PluralRules(language.value).select(n) === "one" ? "one" : "other";
  return t(`${key}.${form}` as Key, { n: n.toLocaleString(language.value) });
}

export function moment(at: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "medium", timeStyle: "short" }).format(new Date(at));
}

export function day(at: string): string {
  return new Intl.DateTimeFormat(language.value, { dateStyle: "full" }).format(new Date(at));
}

function isKnown(code: string): boolean {
  return code in LANGUAGES;
}
