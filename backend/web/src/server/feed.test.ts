import { expect, test } from "vitest";
import { answered, NOW, refused } from "../../tests/a";
import type { Answer, Request } from "./client";
import { news } from "./feed";

const NONE = new Set<string>();

test("what changed is read once, however often the feed names it", async () => {
  const server = serving({
    "/changes?limit=100&cursor=7": page([change("case", "a"), change("photo", "a"), change("label", "b")], "10"),
    "/cases/a": answered(200, aCase("a")),
    "/cases/b": answered(200, aCase("b", { status: "confirmed" })),
  });
  const found = await news(server.request, "token", "7", new Set(["a"]), NOW);
  expect(found.cases.map(({ case_id, status, mine }) => [case_id, status, mine])).toEqual([
    ["a", "received", true],
    ["b", "confirmed", false],
  ]);
  expect(found).toMatchObject({ erased: [], cursor: "10", more: false });
  expect(server.asked).toHaveLength(3);
});

test("an erased case leaves and is not asked for again", async () => {
  const server = serving({ "/changes?limit=100&cursor=7": page([change("case", "a"), change("erased", "a")], "9") });
  expect(await news(server.request, "token", "7", NONE, NOW)).toMatchObject({ cases: [], erased: ["a"], cursor: "9" });
});

test("a case that has gone between the feed and the question is no fault", async () => {
  const server = serving({ "/changes?limit=100&cursor=7": page([change("case", "a")], "8"), "/cases/a": refused(410, "case-erased") });
  expect((await news(server.request, "token", "7", NONE, NOW)).cases).toEqual([]);
});

test("the first time the feed's end is found, and the newest cases are listed as they stand", async () => {
  const server = serving({
    "/changes?limit=100": page([change("case", "a")], "1", true),
    "/changes?limit=100&cursor=1": page([change("case", "b")], "2"),
    "/cases?limit=20": answered(200, { items: [aCase("b"), aCase("a", { visited_at: "2025-01-01T00:00:00.000Z" })], next: "n" }),
    "/cases?limit=20&cursor=n": answered(200, { items: [aCase("old", { visited_at: "2025-01-01T00:00:00.000Z" })], next: "m" }),
  });
  const found = await news(server.request, "token", null, NONE, NOW);
  expect(found.cases.map((seen) => seen.case_id)).toEqual(["b"]);
  expect(found.cursor).toBe("2");
});

test("who may not read any more is told apart from a bad line", async () => {
  await expect(news(async () => refused(401, "token-expired"), "t", "7", NONE, NOW)).rejects.toThrow("token-expired");
});

function change(kind: string, case_id: string) {
  return { kind, id: "x", case_id, at: NOW.toISOString() };
}

function page(items: object[], next: string, more = false): Answer {
  return answered(200, { items, next, more });
}

function aCase(case_id: string, said: object = {}) {
  const consent = { care: { given: true }, training: { given: false } };
  const facts = { case_id, site: "kumasi-1", subject_code: "A-017", visited_at: NOW.toISOString(), consent, photos: [], results: [] };
  return { ...facts, status: "received", ...said };
}

function serving(answers: Readonly<Record<string, Answer>>): { request: Request; asked: string[] } {
  const asked: string[] = [];
  const request: Request = async (path) => {
    asked.push(path);
    const answer = answers[path];
    if (!answer) throw new Error(`nobody expected ${path}`);
    return answer;
  };
  return { request, asked };
}
