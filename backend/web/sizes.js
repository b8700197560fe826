/** Says how heavy dist/ is on the way to a phone, gzipped, and fails beyond what was promised.
 *
 * The first screen is what index.html asks for itself; the shell is every script and style, the service worker too, without
 * what is only loaded on demand (assets/on-demand-*: a barcode reader), which is counted apart.
 */
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const FIRST_SCREEN_KB = 60;
const SHELL_KB = 120;
const DIST = new URL("dist/", import.meta.url);

const weightOf = (name) => gzipSync(readFileSync(new URL(name, DIST)), { level: 9 }).length;
const sum = (names) => names.reduce((total, name) => total + weightOf(name), 0) / 1024;

const code = readdirSync(new URL("assets/", DIST))
  .filter((name) => /\.(js|css|wasm)$/.test(name))
  .map((name) => `assets/${name}`);
const page = readFileSync(new URL("index.html", DIST), "utf8");
const first = code.filter((name) => page.includes(`/${name}`));
const onDemand = code.filter((name) => name.startsWith("assets/on-demand-"));
const shell = [...code.filter((name) => !onDemand.includes(name)), "sw.js"];

const figures = { first_screen_kb: sum(first), shell_kb: sum(shell), on_demand_kb: sum(onDemand) };
console.log(JSON.stringify(figures, (_, value) => (typeof value === "number" ? Number(value.toFixed(1)) : value)));
for (const name of [...shell, ...onDemand]) console.log(`${(weightOf(name) / 1024).toFixed(1).padStart(7)}  ${name}`);
if (figures.first_screen_kb > FIRST_SCREEN_KB || figures.shell_kb > SHELL_KB) {
  console.error(`too heavy: at most ${FIRST_SCREEN_KB} KB for the first screen, ${SHELL_KB} KB for the shell`);
  process.exitCode = 1;
}
