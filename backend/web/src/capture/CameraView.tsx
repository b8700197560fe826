/** The viewfinder: live picture, the guide for the eyelid, one hint at a time, and the shutter. */
import { useEffect, useRef, useState } from "preact/hooks";
import { PhoneFault } from "../phone/fault";
import { type Camera, openCamera } from "./camera";
import "./capture.css";
import { grab, visibleIn } from "./frame";
import { glance } from "./hints";
import { guideIn, outline, type Size } from "./region";
import { type Shot, shotOf } from "./shot";
import { bestOf } from "./shutter";
import { type Saying, steady } from "./steady";

const GLANCE_EVERY_MS = 350;
const GLANCED_WIDTH = 540; // the lid is then longer than the server's judged size
const SHOT_WIDTH = 1440;

export interface CameraWords {
  /** Of the live picture, for who cannot see it. */
  readonly viewfinder: string;
  readonly take: string;
  readonly torch: string;
  readonly focus: string;
  readonly exposure: string;
  readonly gallery: string;
  readonly hints: Readonly<Record<Saying, string>>;
}

export interface CameraViewProps {
  readonly words: CameraWords;
  onShot(shot: Shot): void;
  /** Codes of `openCamera` and `shotOf`. After a camera's fault the gallery still works. */
  onFault(fault: PhoneFault): void;
}

export function CameraView({ words, onShot, onFault }: CameraViewProps) {
  const whole = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const camera = useCameraWhileSeen(onFault);
  const room = useRoom(video, camera);
  const saying = useHints(video, camera);
  const [playing, setPlaying] = useState(false);
  const taking = useRef(false);
  useEffect(() => {
    setPlaying(false);
    if (video.current) video.current.srcObject = camera?.stream ?? null;
    whole.current?.scrollIntoView({ block: "end" }); // the shutter lies within reach, also on a short screen
  }, [camera]);

  const take = async (): Promise<void> => {
    const seen = video.current;
    if (!seen || !camera || taking.current) return;
    taking.current = true;
    const captured_at = new Date().toISOString();
    const facts = camera.facts();
    try {
      onShot({ frame: await bestOf(() => grab(seen, seenIn(seen), SHOT_WIDTH)), captured_at, facts });
    } finally {
      taking.current = false;
    }
  };
  const choose = (file: File | undefined): void => {
    if (file) shotOf(file).then(onShot, onFault);
  };
  return (
    <div ref={whole} class="viewfinder">
      <div class="viewfinder-picture">
        <video ref={video} aria-label={words.viewfinder} autoplay playsinline muted onLoadedData={() => setPlaying(true)} />
        <svg class="viewfinder-guide" viewBox={`0 0 ${room.width} ${room.height}`} aria-hidden="true">
          <path class="viewfinder-guide-edge" d={outline(guideIn(room))} />
          <path class={saying === "ready" ? "viewfinder-guide-line ready" : "viewfinder-guide-line"} d={outline(guideIn(room))} />
        </svg>
        <p class={saying === "ready" ? "viewfinder-hint ready" : "viewfinder-hint"} role="status">
          {words.hints[saying]}
        </p>
      </div>
      {camera && <Tuning camera={camera} words={words} />}
      <div class="viewfinder-buttons">
        <label class="viewfinder-gallery">
          {words.gallery}
          <input type="file" accept="image/*" onChange={(event) => choose(event.currentTarget.files?.[0])} />
        </label>
        <button type="button" class="viewfinder-take" disabled={!playing} onClick={take} aria-label={words.take}>
          <span aria-hidden="true" />
        </button>
      </div>
    </div>
  );
}

/** Only what this phone lets a page tune. */
function Tuning({ camera, words }: { camera: Camera; words: CameraWords }) {
  const [torch, setTorch] = useState(false);
  const { exposure } = camera.tunable;
  const light = async (): Promise<void> => {
    if (await camera.torch(!torch)) setTorch(!torch);
  };
  return (
    <div class="viewfinder-tuning">
      {camera.tunable.torch && (
        <button type="button" aria-pressed={torch} onClick={light}>
          {words.torch}
        </button>
      )}
      {camera.tunable.focus && (
        <button type="button" onClick={() => camera.focus()}>
          {words.focus}
        </button>
      )}
      {exposure && (
        <label>
          {words.exposure}
          <input
            type="range"
            min={exposure.min}
            max={exposure.max}
            step={exposure.step}
            defaultValue="0"
            onInput={(event) => camera.expose(event.currentTarget.valueAsNumber)}
          />
        </label>
      )}
    </div>
  );
}

/** Open while the page is seen: a phone in a pocket neither films nor burns its battery. */
function useCameraWhileSeen(onFault: (fault: PhoneFault) => void): Camera | null {
  const [camera, setCamera] = useState<Camera | null>(null);
  const [seen, setSeen] = useState(document.visibilityState === "visible");
  useEffect(() => {
    const look = (): void => setSeen(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  useEffect(() => {
    if (!seen) return;
    let left = false;
    let opened: Camera | null = null;
    openCamera().then((ours) => {
      if (left) return ours.close();
      opened = ours;
      setCamera(ours);
    }, onFault);
    return () => {
      left = true;
      opened?.close();
      setCamera(null);
    };
  }, [seen]);
  return camera;
}

/** What the guide is drawn in: the picture as large as it is on the screen. */
function useRoom(video: { current: HTMLVideoElement | null }, camera: Camera | null): Size {
  const [room, setRoom] = useState<Size>({ width: 3, height: 4 });
  useEffect(() => {
    if (!video.current) return;
    const watch = new ResizeObserver(([entry]) => {
      const { width, height } = entry!.contentRect;
      if (width > 0 && height > 0) setRoom({ width, height });
    });
    watch.observe(video.current);
    return () => watch.disconnect();
  }, [camera]);
  return room;
}

function useHints(video: { current: HTMLVideoElement | null }, camera: Camera | null): Saying {
  const [saying, setSaying] = useState<Saying>("looking");
  useEffect(() => {
    setSaying("looking");
    if (!camera) return;
    const say = steady();
    let timer = 0;
    const look = (): void => {
      const began = performance.now();
      const seen = video.current;
      if (seen && seen.videoWidth > 0) setSaying(say(glance(grab(seen, seenIn(seen), GLANCED_WIDTH)).hints));
      // A slow phone rests longer, so that its buttons answer.
      timer = window.setTimeout(look, Math.max(GLANCE_EVERY_MS, 3 * (performance.now() - began)));
    };
    timer = window.setTimeout(look, GLANCE_EVERY_MS);
    return () => clearTimeout(timer);
  }, [camera]);
  return saying;
}

function seenIn(video: HTMLVideoElement) {
  const room = { width: video.clientWidth, height: video.clientHeight };
  return visibleIn(room, { width: video.videoWidth, height: video.videoHeight });
}
