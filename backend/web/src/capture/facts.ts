/** Facts of the capture that explain a photo later: which phone, which light, which settings. */
import type { CaptureFacts } from "../port";

/** What only the region adds are its handles. */
export type ShotFacts = Omit<CaptureFacts, "handles">;

/** A track's settings where they go beyond a plain video: W3C Image Capture. */
export interface CameraSettings extends MediaTrackSettings {
  readonly torch?: boolean;
  /** In units of 100 microseconds. */
  readonly exposureTime?: number;
  readonly iso?: number;
  /** Metres. */
  readonly focusDistance?: number;
  /** Kelvin. */
  readonly colorTemperature?: number;
}

export function factsOf(settings: CameraSettings, phone_model: string | null): ShotFacts {
  return {
    phone_model,
    torch: settings.torch ?? null,
    exposure_ms: settings.exposureTime === undefined ? null : rounded(settings.exposureTime / 10),
    iso: known(settings.iso),
    focus_m: known(settings.focusDistance),
    white_balance_k: known(settings.colorTemperature),
    source: "camera",
  };
}

export function galleryFacts(phone_model: string | null): ShotFacts {
  const unknown = { torch: null, exposure_ms: null, iso: null, focus_m: null, white_balance_k: null };
  return { phone_model, ...unknown, source: "gallery" };
}

interface AgentData {
  getHighEntropyValues(hints: string[]): Promise<{ model?: string }>;
}

/** As the browser tells it, or as its old name does; null where neither says. */
export async function phoneModel(browser: Navigator = navigator): Promise<string | null> {
  const data = (browser as Navigator & { userAgentData?: AgentData }).userAgentData;
  const told = await data?.getHighEntropyValues(["model"]).catch(() => undefined);
  return told?.model || modelIn(browser.userAgent);
}

/** "SM-A135F" from an Android browser's name. Chrome now writes "K" for every phone: that is no model. */
export function modelIn(userAgent: string): string | null {
  const apple = /\((iPhone|iPad);/.exec(userAgent);
  if (apple) return apple[1]!;
  const android = /Android [^;)]+; ([^;)]+?)(?: Build\/[^;)]*)?(?:; wv)?\)/.exec(userAgent);
  const model = android?.[1] ?? "K";
  return model === "K" || model === "Mobile" || model.startsWith("rv:") ? null : model;
}

function known(value: number | undefined): number | null {
  return value === undefined ? null : rounded(value);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
