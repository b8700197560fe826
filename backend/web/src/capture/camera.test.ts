import { expect, test } from "vitest";
import { faultOf, openCamera, tunableOf } from "./camera";

test("a refusal, no camera and a busy one are told apart", () => {
  expect(faultOf(new DOMException("", "NotAllowedError"))).toBe("camera-denied");
  expect(faultOf(new DOMException("", "NotFoundError"))).toBe("camera-none");
  expect(faultOf(new DOMException("", "OverconstrainedError"))).toBe("camera-none");
  expect(faultOf(new DOMException("", "NotReadableError"))).toBe("camera-busy");
  expect(faultOf("who knows")).toBe("camera-busy");
});

test("a page that came without HTTPS has no camera at all, and says so", async () => {
  await expect(openCamera({ userAgent: "" } as Navigator)).rejects.toMatchObject({ code: "camera-insecure" });
});

test("what a phone cannot tune is not offered", () => {
  expect(tunableOf({})).toEqual({ torch: false, focus: false, exposure: null });
  const much = { torch: true, focusMode: ["continuous", "single-shot"], exposureCompensation: { min: -2, max: 2, step: 0.5 } };
  expect(tunableOf(much)).toEqual({ torch: true, focus: true, exposure: { min: -2, max: 2, step: 0.5 } });
  expect(tunableOf({ exposureCompensation: { min: 0, max: 0, step: 0 } }).exposure).toBeNull();
});
