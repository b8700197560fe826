/** Seals as the phone does, for whoever opens it elsewhere: a JSON of `{jwk, submission, parts}` on the standard input, with
 * each part's `data` in base64; the blob on the standard output. */
import { createServer } from "vite";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { jwk, submission, parts } = JSON.parse(Buffer.concat(chunks).toString());

const vite = await createServer({
  configFile: false,
  appType: "custom",
  logLevel: "error",
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  optimizeDeps: { noDiscovery: true },
});
const { pack } = await vite.ssrLoadModule("/src/sealing/container.ts");
const { seal } = await vite.ssrLoadModule("/src/sealing/seal.ts");
const { bytes } = await pack(submission, parts.map((part) => ({ ...part, data: Uint8Array.from(Buffer.from(part.data, "base64")) })));
const { blob } = await seal(bytes, jwk);
process.stdout.write(blob);
await vite.close();
