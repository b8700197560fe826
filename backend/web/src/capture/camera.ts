/** The phone's camera: opened towards the eye, tuned as far as the phone allows, and let go when nobody looks. */
import { PhoneFault } from "../phone/fault";
import { type CameraSettings, factsOf, phoneModel, type ShotFacts } from "./facts";

/** What this phone lets a page tune; what it does not is missing, and nothing depends on it. */
export interface Tunable {
  readonly torch: boolean;
  readonly focus: boolean;
  /** In stops. */
  readonly exposure: { readonly min: number; readonly max: number; readonly step: number } | null;
}

export interface Camera {
  readonly stream: MediaStream;
  readonly tunable: Tunable;
  /** False when the phone would not. */
  torch(on: boolean): Promise<boolean>;
  /** Focus on the middle, where the eyelid is, now. */
  focus(): Promise<boolean>;
  expose(stops: number): Promise<boolean>;
  /** As they are now. */
  facts(): ShotFacts;
  close(): void;
}

/** Ask for the camera at the back, wide enough for a lid of 448 pixels under the guide.
 *
 * Faults: `camera-denied`, `camera-none`, `camera-busy`, `camera-insecure` (the page did not come over HTTPS). */
export async function openCamera(browser: Navigator = navigator): Promise<Camera> {
  const devices = browser.mediaDevices as MediaDevices | undefined;
  if (devices === undefined) throw new PhoneFault("camera-insecure");
  const video = { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1080 } };
  const model = await phoneModel(browser);
  const stream = await devices.getUserMedia({ video, audio: false }).catch((error: unknown) => {
    throw new PhoneFault(faultOf(error));
  });
  return cameraOf(stream, model);
}

/** A browser's error as what somebody can mend. */
export function faultOf(error: unknown): string {
  switch (error instanceof Error ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "camera-denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "camera-none";
    default:
      return "camera-busy"; // NotReadableError and AbortError: another app holds it, or the system will not give it
  }
}

/** W3C Image Capture, which the DOM's own types leave out. */
interface Capabilities extends MediaTrackCapabilities {
  readonly torch?: boolean;
  readonly focusMode?: readonly string[];
  readonly exposureCompensation?: { readonly min: number; readonly max: number; readonly step: number };
}

export function tunableOf(can: Capabilities): Tunable {
  const range = can.exposureCompensation;
  return {
    torch: can.torch === true,
    focus: can.focusMode?.includes("single-shot") ?? false,
    exposure: range !== undefined && range.max > range.min ? { min: range.min, max: range.max, step: range.step || 0.5 } : null,
  };
}

function cameraOf(stream: MediaStream, model: string | null): Camera {
  const track = stream.getVideoTracks()[0]!;
  const can = (track.getCapabilities?.() ?? {}) as Capabilities;
  const set = async (wish: object): Promise<boolean> => {
    try {
      await track.applyConstraints({ advanced: [wish as MediaTrackConstraintSet] });
      return true;
    } catch {
      return false; // phones promise more than they keep; the picture goes on without
    }
  };
  return {
    stream,
    tunable: tunableOf(can),
    torch: (on) => set({ torch: on }),
    focus: () => set({ focusMode: "single-shot", pointsOfInterest: [{ x: 0.5, y: 0.5 }] }),
    expose: (stops) => set({ exposureMode: "continuous", exposureCompensation: stops }),
    facts: () => factsOf(track.getSettings() as CameraSettings, model),
    close: () => stream.getTracks().forEach((one) => one.stop()),
  };
}
