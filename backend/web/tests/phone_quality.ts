/// <reference types="node" />
/** The phone's half of benchmarks.phone_quality: pictures in on standard input, what the phone makes of each out.
 *
 * A picture: width and height, big-endian uint32 each, then RGBA. `region`: its alpha is the region, judge it as it is.
 * `frame`: find the region as the camera's screen does, and cut out what would be sent. A line of JSON for each, and for a
 * frame then the cut-out, as a picture.
 */
import { readFileSync, writeSync } from "node:fs";
import { regionOf } from "../src/capture/crop";
import { findIn } from "../src/capture/find";
import { glance, proposed } from "../src/capture/hints";
import { judge } from "../src/capture/quality";
import type { Raster } from "../src/capture/raster";

function* pictures(bytes: Buffer): Generator<Raster> {
  for (let at = 0; at < bytes.length; ) {
    const [width, height] = [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];
    const end = at + 8 + 4 * width * height;
    yield { width, height, data: new Uint8ClampedArray(bytes.subarray(at + 8, end)) };
    at = end;
  }
}
for (const picture of pictures(readFileSync(0))) {
  if (process.argv[2] === "region") { writeSync(1, `${JSON.stringify(judge(picture))}\n`); continue; }
  const t = performance.now();
  const found = findIn(picture);
  const t1 = performance.now();
  const g = glance(picture);
  const t2 = performance.now();
  const c = proposed(picture, found);
  const r = regionOf(picture, c);
  const q = judge(r);
  const t3 = performance.now();
  writeSync(1, JSON.stringify({ found, g, c, q, ms: [t1 - t, t2 - t1, t3 - t2], size: [r.width, r.height] }) + "\n");
}
