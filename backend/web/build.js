/** Builds dist/: the phone's app; the laboratory's pages, which share its code and none of its files; and the service worker,
 * which lists every file of the phone's that a start without a network needs.
 *
 * `node build.js FOLDER` builds elsewhere, with a handle for tests: `globalThis.phone`.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "vite";

const [elsewhere] = process.argv.slice(2);
const outDir = resolve(elsewhere ?? "dist");
const DIST = pathToFileURL(`${outDir}/`);
const LISTED = /^(index\.html|manifest\.webmanifest|icon.*|assets\/(?!on-demand-).*)$/; // a barcode reader comes when it is used
const NAMED_BY_CONTENT = /^assets\//;

await build({ logLevel: "warn", mode: elsewhere ? "probe" : "production", build: { outDir, emptyOutDir: true } });
await build({
  logLevel: "warn",
  publicDir: false,
  build: {
    outDir,
    emptyOutDir: false,
    rollupOptions: {
      input: "laboratory.html",
      output: {
        entryFileNames: "laboratory/[name]-[hash].js",
        chunkFileNames: "laboratory/[name]-[hash].js",
        // The barcode reader's own file is the phone's: the same bytes under the same name.
        assetFileNames: ({ names }) => (names[0]?.endsWith(".wasm") ? "assets/on-demand-[name]-[hash][extname]" : "laboratory/[name]-[hash][extname]"),
      },
    },
  },
});
await build({
  configFile: false,
  logLevel: "warn",
  publicDir: false,
  build: {
    target: "es2022",
    outDir,
    emptyOutDir: false,
    lib: { entry: "src/worker/sw.ts", formats: ["iife"], name: "worker", fileName: () => "sw.js" },
  },
  define: { "process.env.NODE_ENV": '"production"', "import.meta.env.DEV": "false" },
});

const listed = readdirSync(DIST, { recursive: true }).sort().filter((name) => LISTED.test(name));
const worker = readFileSync(new URL("sw.js", DIST), "utf8");
const filled = worker.replace("self.__WB_MANIFEST", () => JSON.stringify(listed.map(entryOf)));
if (filled === worker) throw new Error("the service worker has no place for its list");
writeFileSync(new URL("sw.js", DIST), filled);
console.log(`${outDir}: ${listed.length} files for a start without a network`);

/** As workbox-precaching takes it. A cached redirect answers no navigation: the page is "/" and nothing else. */
function entryOf(name) {
  const digest = createHash("sha256").update(readFileSync(new URL(name, DIST))).digest("hex").slice(0, 16);
  return { url: name === "index.html" ? "/" : `/${name}`, revision: NAMED_BY_CONTENT.test(name) ? null : digest };
}
