import { expect, test } from "vitest";
import { PhoneFault } from "./fault";

test("a fault says what the words are looked up by, and is an error like any other", () => {
  const fault = new PhoneFault("link-elsewhere", "https://pallor.example.org");
  expect(fault).toBeInstanceOf(Error);
  expect([fault.code, fault.detail, fault.faults]).toEqual(["link-elsewhere", "https://pallor.example.org", []]);
});
