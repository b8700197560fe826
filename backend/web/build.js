/** Builds dist/: the app, then the service worker, which lists every file of it with its digest. */
import { injectManifest } from "workbox-build";
import { build } from "vite";

await build({ logLevel: "warn" });
await build({
  configFile: false,
  logLevel: "warn",
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: false,
    lib: { entry: "src/worker/sw.ts", formats: ["iife"], name: "worker", fileName: () => "sw.js" },
  },
  define: { "process.env.NODE_ENV": '"production"', "import.meta.env.DEV": "false" },
});
const { count, size, warnings } = await injectManifest({
  swSrc: "dist/sw.js",
  swDest: "dist/sw.js",
  globDirectory: "dist",
  globPatterns: ["index.html", "manifest.webmanifest", "icon*", "assets/*"],
  globIgnores: ["assets/on-demand-*"], // a barcode reader in WebAssembly comes when it is first used
  dontCacheBustURLsMatching: /^assets\//,
  // A cached redirect answers no navigation: the page is "/" and nothing else.
  manifestTransforms: [(entries) => ({ manifest: entries.map((entry) => (entry.url === "index.html" ? { ...entry, url: "/" } : entry)) })],
});
for (const warning of warnings) console.warn(warning);
console.log(`dist/: ${count} files for a start without a network, ${(size / 1024).toFixed(0)} KB`);
