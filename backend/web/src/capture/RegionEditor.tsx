/** The frozen photo with the region on it: four handles for a thumb or the arrow keys, and a look at what will be sent. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import "./capture.css";
import { regionOf } from "./crop";
import { imageOf } from "./encode";
import { seenAround } from "./frame";
import { cut, type Raster } from "./raster";
import { type Crescent, type Handle, HANDLES, handlesOf, moved, nudged, outline, type Point } from "./region";

export interface RegionWords {
  /** Of the photo, for who cannot see it. */
  readonly photo: string;
  /** Of the switch that shows the region alone. */
  readonly masked: string;
  readonly handles: Readonly<Record<Handle, string>>;
}

export interface RegionEditorProps {
  readonly frame: Raster;
  readonly crescent: Crescent;
  readonly words: RegionWords;
  onChange(crescent: Crescent): void;
}

const STEPS: Readonly<Record<string, readonly [right: number, down: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export function RegionEditor({ frame, crescent, words, onChange }: RegionEditorProps) {
  const [masked, setMasked] = useState(false);
  // Once for each photo: the picture must not move under the thumb.
  const view = useMemo(() => seenAround(crescent, frame), [frame]);
  const picture = useMemo(() => cut(frame, view), [frame]);
  return (
    <div class="region">
      {masked ? (
        <Picture raster={regionOf(frame, crescent)} label={words.masked} name="region-masked" />
      ) : (
        <div class="region-photo">
          <Picture raster={picture} label={words.photo} name="region-picture" />
          <svg viewBox={`${view.x} ${view.y} ${view.width} ${view.height}`} aria-hidden="true">
            <path class="region-outside" fill-rule="evenodd" d={`${framed(view)}${outline(crescent)}`} />
            <path class="region-edge" d={outline(crescent)} />
          </svg>
          {HANDLES.map((handle) => (
            <Grip key={handle} {...{ handle, frame, view, crescent, onChange }} word={words.handles[handle]} />
          ))}
        </div>
      )}
      <button type="button" class="region-switch" aria-pressed={masked} onClick={() => setMasked(!masked)}>
        {words.masked}
      </button>
    </div>
  );
}

interface GripProps {
  readonly handle: Handle;
  readonly frame: Raster;
  readonly view: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly crescent: Crescent;
  readonly word: string;
  onChange(crescent: Crescent): void;
}

/** One handle. It may be held beside its point, so that the thumb does not hide it. */
function Grip({ handle, frame, view, crescent, word, onChange }: GripProps) {
  const held = useRef<Point | null>(null);
  const at = handlesOf(crescent)[handle];
  const under = (event: PointerEvent): Point => {
    const room = (event.currentTarget as HTMLElement).parentElement!.getBoundingClientRect();
    const scale = view.width / room.width;
    return { x: view.x + (event.clientX - room.left) * scale, y: view.y + (event.clientY - room.top) * scale };
  };
  const hold = (event: PointerEvent): void => {
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    const finger = under(event);
    held.current = { x: at.x - finger.x, y: at.y - finger.y };
  };
  const drag = (event: PointerEvent): void => {
    if (!held.current) return;
    const finger = under(event);
    onChange(moved(crescent, handle, { x: finger.x + held.current.x, y: finger.y + held.current.y }, frame));
  };
  const release = (): void => {
    held.current = null;
  };
  const press = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const by = (event.shiftKey ? 10 : 1) * Math.max(1, view.width / 360); // about a point on the screen
    onChange(nudged(crescent, handle, step[0] * by, step[1] * by, frame));
  };
  const [left, top] = [(100 * (at.x - view.x)) / view.width, (100 * (at.y - view.y)) / view.height];
  return (
    <button
      type="button"
      class={`region-grip region-grip-${handle}`}
      style={{ left: `${left}%`, top: `${top}%` }}
      aria-label={word}
      onPointerDown={hold}
      onPointerMove={drag}
      onPointerUp={release}
      onPointerCancel={release}
      onKeyDown={press}
    />
  );
}

function Picture({ raster, label, name }: { raster: Raster; label: string; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => canvas.current!.getContext("2d")!.putImageData(imageOf(raster), 0, 0), [raster]);
  return <canvas ref={canvas} class={name} width={raster.width} height={raster.height} role="img" aria-label={label} />;
}

function framed({ x, y, width, height }: GripProps["view"]): string {
  return `M${x} ${y}h${width}v${height}h${-width}Z`;
}
