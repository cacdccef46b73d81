// One self-contained ES module and one style sheet for each widget, into the Python package.
import { mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const at = process.argv.indexOf("--out");
const out = at > 0 ? process.argv[at + 1] : join(here, "..", "craterlab", "widgets", "static");
const MOST_BYTES = 60_000;
const WIDGETS = ["thresholds", "sfd", "swipe", "editor"];

mkdirSync(out, { recursive: true });
const shared = {
  absWorkingDir: here,
  bundle: true,
  charset: "utf8",
  legalComments: "none",
  // Committed: a diff of readable code says what changed.
  minify: false,
  minifySyntax: true,
  outdir: out,
  target: ["es2022"],
  write: true,
};
await build({
  ...shared,
  entryPoints: WIDGETS.map((name) => join("src", `${name}.ts`)),
  format: "esm",
  // JupyterLab has an AMD loader on its pages.
  define: { "define.amd": "false" },
});
await build({ ...shared, entryPoints: [join("src", "host.ts")], format: "iife" });
await build({ ...shared, entryPoints: WIDGETS.map((name) => join("src", `${name}.css`)) });
for (const name of [...WIDGETS, "host"]) {
  const bytes = statSync(join(out, `${name}.js`)).size;
  console.log(`${name}.js ${bytes} bytes`);
  if (bytes > MOST_BYTES) {
    console.error(`${name}.js is larger than ${MOST_BYTES} bytes`);
    process.exitCode = 1;
  }
}
