import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import en from "./en.json";
import es from "./es.json";
import fr from "./fr.json";

const SOURCE = join(import.meta.dirname, "..");
const GROUPS = ["advice", "reason", "state", "fault", "field-fault", "danger", "severity", "group", "follow-up", "retake", "hint", "pause", "kind", "count", "no-criterion", "smoking", "camera", "refusal"];

test.each([["fr", fr], ["es", es]])("no word is missing in %s, and none is left over", (_, words) => {
  expect(Object.keys(words).sort()).toEqual(Object.keys(en).sort());
});

test.each([["fr", fr], ["es", es]])("every word in %s has the same gaps to fill", (_, words) => {
  const gaps = (text: string) => [...text.matchAll(/\{[a-z_]+\}/g)].map(String).sort();
  for (const [key, text] of Object.entries(en)) expect(gaps((words as Record<string, string>)[key]!), key).toEqual(gaps(text));
});

test("every word is used, and every word that is used is there", () => {
  const source = readdirSync(SOURCE, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes(".test."))
    .map((name) => readFileSync(join(SOURCE, name), "utf8"))
    .join("\n");
  const asked = [...source.matchAll(/\bt\(\s*"([^"]+)"/g)].map((found) => found[1]!);
  expect(asked.filter((key) => !(key in en))).toEqual([]);
  const whole = (key: string) => key.replace(/\.(one|other)$/, "");
  const unused = Object.keys(en).filter((key) => !source.includes(`"${whole(key)}"`) && !GROUPS.includes(key.split(".")[0]!));
  expect(unused).toEqual([]);
});
