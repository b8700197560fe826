import { expect, test } from "vitest";
import { steady } from "./steady";

test("a hint is said when it was seen twice running", () => {
  const say = steady();
  expect([[], ["blurred"], ["blurred"], [], ["blurred"], [], []].map((hints) => say(hints as never))).toEqual([
    "looking", "looking", "blurred", "blurred", "blurred", "blurred", "ready",
  ]);
});

test("the most pressing hint is the one that counts", () => {
  const say = steady();
  say(["closer", "too-dark"]);
  expect(say(["closer", "blurred"])).toBe("closer");
});
