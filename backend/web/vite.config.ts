import { defineConfig } from "vite";

export default defineConfig({
  build: {
    rollupOptions: { output: { assetFileNames: ({ names }) => (names[0]?.endsWith(".wasm") ? "assets/on-demand-[name]-[hash][extname]" : "assets/[name]-[hash][extname]") } },
    target: "es2022", // Chrome 94 on Android, Safari 15.4
    assetsInlineLimit: 0, // the page's policy allows no data: script and no inline style
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
});
