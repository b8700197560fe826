/// <reference types="node" />
/** The phone's half of benchmarks.phone_quality: pictures come in, what the phone makes of each goes out.
 *
 * A picture is its width and height, big-endian uint32 each, then RGBA. Asked for a `region`, the phone judges what is
 * opaque. Asked for a `frame`, it looks at it as the camera's screen does, then cuts out what it would send; there alpha is
 * where the eyelid was drawn, and only held against what the phone found. It answers a line of JSON for each, and behind
 * that of a frame lies the cut-out's RGBA.
 */
import { readFileSync, writeSync } from "node:fs";
import { regionOf } from "../src/capture/crop";
import { findIn } from "../src/capture/find";
import { glance, proposed, seen } from "../src/capture/hints";
import { judge } from "../src/capture/quality";
import { type Mask, maskOf, type Raster } from "../src/capture/raster";
import { maskIn } from "../src/capture/region";

const asked = process.argv[2];
for (const picture of pictures(readFileSync(0))) {
  if (asked === "region") say({ verdict: judge(picture) });
  else lookAt(picture);
}

function lookAt(frame: Raster): void {
  const { hints } = glance(frame);
  const found = findIn(frame);
  const crescent = proposed(frame, found);
  const region = regionOf(frame, crescent);
  const { width, height } = region;
  const overlap = overlapOf(maskIn(crescent, { x: 0, y: 0, ...frame }), maskOf(frame));
  say({ verdict: judge(region), hints, found: seen(found), overlap, width, height });
  send(region.data);
}

/** Pixels in both, as a share of those in either. */
function overlapOf(a: Mask, b: Mask): number {
  const both = a.reduce((count, inside, i) => count + (inside & b[i]!), 0);
  return both / a.reduce((count, inside, i) => count + (inside | b[i]!), 0);
}

function* pictures(bytes: Buffer): Generator<Raster> {
  for (let at = 0; at < bytes.length; ) {
    const [width, height] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    const end = at + 8 + 4 * width * height;
    yield { width, height, data: new Uint8ClampedArray(bytes.subarray(at + 8, end)) };
    at = end;
  }
}

function say(answer: object): void {
  send(Buffer.from(`${JSON.stringify(answer)}\n`));
}

/** Whole, also where a pipe takes only part at a time. */
function send(bytes: Uint8Array | Uint8ClampedArray): void {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < whole.length; ) at += writeSync(1, whole, at);
}
