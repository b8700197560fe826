import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "./en.json";
import es from "./es.json";
import fr from "./fr.json";
import labEn from "../laboratory/words/en.json";
import labEs from "../laboratory/words/es.json";
import labFr from "../laboratory/words/fr.json";

const SOURCE = join(import.meta.dirname, "..");
const GROUPS = ["advice", "reason", "state", "fault", "field-fault", "danger", "severity", "group", "follow-up", "retake", "hint", "pause", "kind", "count", "no-criterion", "smoking", "camera", "refusal"];
const LAB_GROUPS = ["reason", "refused", "fate", "way", "rejection", "retracted", "specimen", "performer", "number"];
const BOOKS = [["fr", en, fr], ["es", en, es], ["the laboratory's fr", labEn, labFr], ["the laboratory's es", labEn, labEs]] as const;

test.each(BOOKS)("no word is missing in %s, and none is left over", (_, english, words) => {
  expect(Object.keys(words).sort()).toEqual(Object.keys(english).sort());
});

test.each(BOOKS)("every word in %s has the same gaps to fill", (_, english, words) => {
  const gaps = (text: string) => [...text.matchAll(/\{[a-z_]+\}/g)].map(String).sort();
  for (const [key, text] of Object.entries(english)) expect(gaps((words as Record<string, string>)[key]!), key).toEqual(gaps(text));
});

test("every word is used, and every word that is used is there", () => {
  expect(asked(/\bt\(\s*"([^"]+)"/g, read(() => true)).filter((key) => !(key in en))).toEqual([]);
  expect(unused(en, GROUPS, read((name) => !name.startsWith("laboratory")))).toEqual([]);
});

test("so are the laboratory's", () => {
  const source = read((name) => name.startsWith("laboratory"));
  expect(asked(/\bw\(\s*"([^"]+)"/g, source).filter((key) => !(key in labEn))).toEqual([]);
  expect(unused(labEn, LAB_GROUPS, source)).toEqual([]);
});

function read(wanted: (name: string) => boolean): string {
  return readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes(".test.") && wanted(name))
    .map((name) => readFileSync(join(SOURCE, name), "utf8"))
    .join("\n");
}

function asked(call: RegExp, source: string): string[] {
  return [...source.matchAll(call)].map((found) => found[1]!);
}

function unused(words: object, groups: readonly string[], source: string): string[] {
  const whole = (key: string) => key.replace(/\.(one|other)$/, "");
  return Object.keys(words).filter((key) => !source.includes(`"${whole(key)}"`) && !groups.includes(key.split(".")[0]!));
}
