// Builds a release of the application: `node testdata/pwa/build.mjs RELEASE OUT_DIR HELPER_DIR WORKER_FILE`.
//
// HELPER_DIR holds the update helper as `scripts/build-wasm` makes it. The worker is written to WORKER_FILE with its
// injection point, for `precache-hash inject`. The same release gives the same bytes.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(new URL("../../tests/npm/package.json", import.meta.url));
const esbuild = require("esbuild");
const source = new URL("src/", import.meta.url).pathname;
const modules = new URL("../../tests/npm/node_modules/", import.meta.url).pathname;
const [release, out, helper, worker] = process.argv.slice(2);
if (!worker) throw new Error("usage: build.mjs RELEASE OUT_DIR HELPER_DIR WORKER_FILE");

const COLORS = ["#f4b63f", "#7fd1ae", "#9cc4ff", "#f3a6b8", "#c9b6ff"];
const number = Number.parseInt(release, 10) || 0;
const values = { release, color: COLORS[(number + COLORS.length - 1) % COLORS.length], delivered: String(110 + 7 * number) };
const fill = (text, more = {}) => text.replace(/\{\{(\w+)\}\}/g, (_, name) => ({ ...values, ...more })[name]);
const read = (name) => fill(readFileSync(join(source, name), "utf8"));

mkdirSync(out, { recursive: true });
cpSync(join(source, "icons"), join(out, "icons"), { recursive: true });
writeFileSync(join(out, "manifest.webmanifest"), read("manifest.webmanifest"));
for (const name of ["slipway_update.js", "slipway_update_bg.wasm"]) cpSync(join(helper, name), join(out, name));

const scripts = await esbuild.build({
  entryPoints: [join(source, "main.js")],
  outdir: out,
  bundle: true,
  splitting: true,
  minify: true,
  format: "esm",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  metafile: true,
  legalComments: "none",
  plugins: [{
    name: "release",
    setup(build) {
      build.onLoad({ filter: /pwa\/src\/.*\.js$/ }, ({ path }) => ({ contents: fill(readFileSync(path, "utf8")), loader: "js" }));
      build.onResolve({ filter: /^slipway-update$/ }, () => ({ path: "./slipway_update.js", external: true }));
    },
  }],
});
const [main] = Object.entries(scripts.metafile.outputs).find(([, { entryPoint }]) => entryPoint);

const css = (await esbuild.transform(read("style.css"), { loader: "css", minify: true })).code;
const style = `style-${createHash("sha256").update(css).digest("hex").slice(0, 8)}.css`;
writeFileSync(join(out, style), css);
writeFileSync(join(out, "index.html"), fill(readFileSync(join(source, "index.html"), "utf8"), { style, main: main.split("/").pop() }));

await esbuild.build({
  entryPoints: [join(source, "sw.js")],
  outfile: worker,
  bundle: true,
  minify: true,
  legalComments: "none",
  nodePaths: [modules],
  define: { "process.env.NODE_ENV": '"production"' },
});
