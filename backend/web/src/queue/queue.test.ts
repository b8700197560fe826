import { expect, test } from "vitest";
import { waitAfter } from "./backoff";
import { afterCut, afterPiece, FIRST_PACE } from "./pieces";
import { readReceipt } from "./receipt";
import type { QueueRow } from "./database";

const ROW = {
  submission_id: "s",
  case_id: "c",
  sha256: "sha256:aa",
  digests: { one: "sha256:01", two: "sha256:02" },
} as unknown as QueueRow;
const RECEIPT = {
  submission_id: "s",
  case_id: "c",
  sealed_sha256: "sha256:aa",
  state: "received",
  received_at: "2026-11-27T20:00:00.000Z",
  digests: { one: "sha256:01", two: "sha256:02" },
};

test("a receipt counts when it names the blob and every photo", () => {
  expect(readReceipt(RECEIPT, ROW)).toEqual(RECEIPT);
});

test.each([
  ["another submission", { ...RECEIPT, submission_id: "t" }],
  ["another blob", { ...RECEIPT, sealed_sha256: "sha256:bb" }],
  ["a photo less", { ...RECEIPT, digests: { one: "sha256:01" } }],
  ["a photo that is another", { ...RECEIPT, digests: { ...RECEIPT.digests, two: "sha256:03" } }],
  ["still uploading", { ...RECEIPT, state: "uploading" }],
  ["no digests", { ...RECEIPT, digests: null }],
  ["a login page's JSON", { login: true }],
  ["nothing", null],
])("a receipt with %s is none", (_, said) => {
  expect(readReceipt(said, ROW)).toBeNull();
});

test("the wait doubles, never beyond a quarter of an hour, and is never the same on two phones", () => {
  expect([1, 2, 3].map((failures) => waitAfter(failures, 0.999_999))).toEqual(
    [2_000, 4_000, 8_000].map((ms) => expect.closeTo(ms, -1)),
  );
  expect(waitAfter(30, 1)).toBe(15 * 60_000);
  expect(waitAfter(1, 0)).toBe(1_000);
});

test("pieces grow on a good line, and move the percentage on a slow one", () => {
  expect(afterPiece(FIRST_PACE, 48_000, 100).bytes).toBe(96_000);
  expect(afterPiece(FIRST_PACE, 48_000, 24_000).bytes).toBe(16_000);
  expect(afterPiece(FIRST_PACE, 48_000, 10_000_000).bytes).toBe(4_096);
});

test("a cut that keeps something changes nothing; one that keeps nothing halves what is ever tried again", () => {
  expect(afterCut(FIRST_PACE, 10)).toEqual(FIRST_PACE);
  const smaller = afterCut({ ...FIRST_PACE, bytes: 40_000 }, 0);
  expect(smaller).toEqual({ bytes: 20_000, most: 20_000 });
  expect(afterPiece(smaller, 20_000, 1).bytes).toBe(20_000);
  expect(afterCut({ bytes: 4_096, most: 4_096 }, 0).bytes).toBe(4_096);
});
