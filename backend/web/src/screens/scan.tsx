/** Reads a code with the camera: by the phone's own reader, else by one in WebAssembly that is fetched on first use. */
import { useEffect, useRef } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { t } from "../words/words";
import { Button, Card } from "./parts";

export type Format = "qr_code" | "code_128";

interface Given {
  formats: readonly Format[];
  onFound: (text: string) => void;
  onStop: () => void;
}

type Read = (video: HTMLVideoElement) => Promise<string | null>;

interface Detector {
  detect(source: HTMLVideoElement): Promise<readonly { rawValue: string }[]>;
}
declare const BarcodeDetector: {
  new (options: { formats: readonly Format[] }): Detector;
  getSupportedFormats(): Promise<readonly string[]>;
};

const LOOK_EVERY_MS = 150;

export function Scan({ formats, onFound, onStop }: Given) {
  const video = useRef<HTMLVideoElement>(null);
  const fault = useSignal<string | null>(null);
  useEffect(() => {
    let stream: MediaStream | null = null;
    let over = false;
    const look = async () => {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
      const read = await reader(formats);
      if (over || !video.current) return;
      video.current.srcObject = stream;
      await video.current.play();
      while (!over) {
        const text = video.current && video.current.videoWidth > 0 ? await read(video.current) : null;
        if (text && !over) return onFound(text);
        await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
      }
    };
    look()
      .catch(() => (fault.value = t("scan.no-camera")))
      .finally(() => stream?.getTracks().forEach((track) => track.stop()));
    return () => {
      over = true;
      stream?.getTracks().forEach((track) => track.stop());
    };
  }, []);
  return (
    <section class="scan" aria-label={t("scan.title")}>
      {fault.value ? <Card tone="warn" title={fault.value} /> : <video ref={video} playsInline muted aria-label={t("scan.title")} />}
      <Button label={t("scan.stop")} onPress={onStop} />
    </section>
  );
}

async function reader(formats: readonly Format[]): Promise<Read> {
  if ("BarcodeDetector" in globalThis) {
    const known = await BarcodeDetector.getSupportedFormats();
    if (formats.every((format) => known.includes(format))) {
      const detector = new BarcodeDetector({ formats });
      return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
    }
  }
  const { inWebAssembly } = await import("./on-demand-reader");
  return inWebAssembly(formats);
}
