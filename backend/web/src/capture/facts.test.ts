import { expect, test } from "vitest";
import { factsOf, galleryFacts, modelIn, phoneModel } from "./facts";

test("settings are told in the units of the record", () => {
  const told = factsOf({ torch: true, exposureTime: 333.3, iso: 200, focusDistance: 0.08, colorTemperature: 5200 }, "SM-A135F");
  expect(told).toEqual({
    phone_model: "SM-A135F",
    torch: true,
    exposure_ms: 33.33,
    iso: 200,
    focus_m: 0.08,
    white_balance_k: 5200,
    source: "camera",
  });
});

test("what the phone does not tell is unknown, not off", () => {
  expect(factsOf({ width: 1280 }, null)).toEqual({ ...galleryFacts(null), source: "camera" });
});

test("the model is read from a browser's name, where it stands there", () => {
  const chrome = (model: string): string =>
    `Mozilla/5.0 (Linux; Android 10; ${model}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.0.0 Mobile Safari/537.36`;
  expect(modelIn(chrome("TECNO KE5"))).toBe("TECNO KE5");
  expect(modelIn(chrome("SM-A135F Build/SP1A.210812.016"))).toBe("SM-A135F");
  expect(modelIn(chrome("K"))).toBeNull();
  expect(modelIn("Mozilla/5.0 (Android 13; Mobile; rv:125.0) Gecko/125.0 Firefox/125.0")).toBeNull();
  expect(modelIn("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15")).toBe("iPhone");
  expect(modelIn("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0")).toBeNull();
});

test("the browser is asked first, and may refuse", async () => {
  expect(await phoneModel(a_browser(async () => ({ model: "Pixel 4a" })))).toBe("Pixel 4a");
  expect(await phoneModel(a_browser(async () => ({ model: "" })))).toBe("TECNO KE5");
  expect(await phoneModel(a_browser(() => Promise.reject(new Error("not allowed"))))).toBe("TECNO KE5");
  expect(await phoneModel(a_browser())).toBe("TECNO KE5");
});

function a_browser(getHighEntropyValues?: () => Promise<{ model: string }>): Navigator {
  const userAgent = "Mozilla/5.0 (Linux; Android 10; TECNO KE5) AppleWebKit/537.36";
  return { userAgent, ...(getHighEntropyValues && { userAgentData: { getHighEntropyValues } }) } as unknown as Navigator;
}
