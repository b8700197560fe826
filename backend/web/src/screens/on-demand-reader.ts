/** For phones without a reader of their own. */
import { prepareZXingModule, readBarcodes } from "zxing-wasm/reader";
import wasm from "zxing-wasm/reader/zxing_reader.wasm?url";
import type { Format } from "./scan";

const NAMES = { qr_code: "QRCode", code_128: "Code128" } as const;

export function inWebAssembly(formats: readonly Format[]): (video: HTMLVideoElement) => Promise<string | null> {
  prepareZXingModule({ overrides: { locateFile: (name: string, prefix: string) => (name.endsWith(".wasm") ? wasm : prefix + name) } });
  const canvas = document.createElement("canvas");
  return async (video) => {
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const pen = canvas.getContext("2d", { willReadFrequently: true })!;
    pen.drawImage(video, 0, 0);
    const found = await readBarcodes(pen.getImageData(0, 0, canvas.width, canvas.height), { formats: formats.map((one) => NAMES[one]) });
    return found[0]?.text ?? null;
  };
}
