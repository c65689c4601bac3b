// Workbox's own worker in real Chromium installs what precache-hash lists: every odd name, every byte, nothing more.

import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PAGE, cached, digests, install, openPage, pathOf, precacheHash, release, requirePeer } from "./precache_stage.mjs";
import { scratch, serve, sha256, write } from "./precache_stage.mjs";

/** An install that neither succeeds nor fails by then hangs. */
const DEADLINE = { timeout: 120_000 };

const ODD_NAMES = [
  ..."a b.js|100%.js|%41.js|%2e%2e.js|%.js|h#x.js|q?x=1&y.js|back\\slash.js|folder#1/100%/q?.js".split("|"),
  ..."smile-\u{1f600}.js|caf\u00e9.js|cafe\u0301.js|\ud55c\uad6d\uc5b4/\ud398\uc774\uc9c0.html|\u65e5\u672c/\u00e9.css".split("|"),
  ..."at@x.js|plus+x.js|a&b.js|it's.js|say\"hi\".js|tab\there.js|line\nfeed.js|return\rx.js".split("|"),
  ..." leading.js|trailing.js |\u00a0nbsp.js|\u0001control.js|delete\u007f.js|rtl\u202e.js|no-extension".split("|"),
  ..."semi;colon.js|equals=x.js|comma,x.js|dollar$x.js|star*.js|<angle>.js|caret^.js|back`tick.js".split("|"),
  ..."{brace}.js|[id].js|(group)/x.js|tilde~.js|bang!.js|colon:x.js|https:x.js|dots...js|UPPER.js|upper.js".split("|"),
  ..."__proto__|constructor.js|-dash.js|nested/sw.js|a/b/c/d/e/f/g/h.js".split("|"),
  "pipe|.js",
];

/** A worker made by esbuild from npm workbox-precaching, with the injection point. */
const WORKER = requirePeer("esbuild").buildSync({
  stdin: {
    contents: `import { cleanupOutdatedCaches, precacheAndRoute } from "workbox-precaching";
      self.skipWaiting(); cleanupOutdatedCaches(); precacheAndRoute(self.__WB_MANIFEST);`,
    resolveDir: join(import.meta.dirname, "../npm"),
  },
  bundle: true,
  minify: true,
  write: false,
  define: { "process.env.NODE_ENV": '"production"' },
}).outputFiles[0].text;

/** Puts `manifest`, a text, into the worker of the release in `dist`. */
function inject(folder, dist, manifest, words = []) {
  const worker = join(write(folder, { "worker.js": WORKER }), "worker.js");
  precacheHash(["inject", worker, "-o", join(dist, "sw.js"), ...words], { input: manifest });
}

/** Writes `files` as a release, injects its manifest, and serves it from now on. Returns its folder. */
function build(folder, name, files, { flags = [], outputs = [] } = {}) {
  const dist = write(join(folder, name), { "index.html": PAGE, ...files });
  const manifest = precacheHash([dist, "--include", "**/*", "--format", "json", "--hash", "md5", ...flags]);
  writeFileSync(join(folder, `${name}.json`), manifest);
  inject(folder, dist, manifest, outputs);
  release(join(folder, "current"), dist);
  return dist;
}

/** What must be in the cache: every file but the worker. */
function expected(dist) {
  const files = digests(dist);
  files.delete("sw.js");
  return [...files].sort();
}

test("every odd name is installed with its own bytes", DEADLINE, async (t) => {
  const folder = scratch(t);
  const files = Object.fromEntries(ODD_NAMES.map((name, index) => [name, `content ${index}`]));
  const dist = build(folder, "1", { ...files, "empty.txt": "", "\ube44\uc5b4/empty.js": "" });
  const { url } = await serve(t, folder);
  const page = await openPage(t, url);
  assert.equal(await install(page), "activated");
  assert.equal(expected(dist).length, ODD_NAMES.length + 3, "two names became one file");
  assert.deepEqual((await cached(page, "precache")).sort(), expected(dist));
});

test("the same names as workbox-build writes them break the install", DEADLINE, async (t) => {
  const { getManifest } = requirePeer("workbox-build");
  const open = await openPage(t);
  for (const name of ["plain.js", "%41.js", "h#x.js", "q?x.js", "back\\slash.js", "tab\there.js", " leading.js"]) {
    const folder = scratch(t);
    const dist = build(folder, "1", { [name]: "content" });
    const peer = await getManifest({ globDirectory: dist, globPatterns: ["**/*"], globIgnores: ["sw.js"] });
    // A backslash empties workbox-build's whole list, so that this entry is written by hand.
    const entries = peer.count > 0 ? peer.manifestEntries : [{ url: name, revision: sha256("content") }];
    inject(folder, dist, JSON.stringify(entries));
    const { url } = await serve(t, folder);
    assert.equal(await install(await open(url)), name === "plain.js" ? "activated" : "redundant", name);
  }
});

test("one changed byte on the server fails an install with integrity", DEADLINE, async (t) => {
  const open = await openPage(t);
  for (const content of ["good content", "Good content"]) {
    const folder = scratch(t);
    const dist = build(folder, "1", { "a.js": "good content" }, { flags: ["--integrity", "sha384"] });
    assert.match(readFileSync(join(dist, "sw.js"), "utf8"), /"integrity":"sha384-/);
    write(dist, { "a.js": content });
    const { url } = await serve(t, folder);
    assert.equal(await install(await open(url)), content === "good content" ? "activated" : "redundant");
  }
});

test("a second release fetches what diff says and nothing else", DEADLINE, async (t) => {
  const folder = scratch(t);
  const kept = { "kept a.js": "same", "k\u00e9pt#.js": "same too", "empty.js": "" };
  build(folder, "1", { ...kept, "changed%.js": "old", "gone.js": "gone", "from.0a1b2c3d.js": "moved" });
  const { url, requests } = await serve(t, folder);
  const page = await openPage(t, url);
  assert.equal(await install(page), "activated");
  requests();

  const changes = { "changed%.js": "newer", "added/\u{1f600}.js": "added!", "to.0a1b2c3d.js": "moved" };
  const dist = build(folder, "2", { ...kept, ...changes });
  assert.equal(await install(page), "activated");

  const said = JSON.parse(precacheHash(["diff", "1.json", "2.json", "--json"].map((word) => inside(folder, word)), { code: 1 }));
  const asked = requests().filter((request) => !request.path.startsWith("/sw.js"));
  assert.ok(asked.every((request) => request.method === "GET" && request.status === 200));
  const fetched = asked.map((request) => pathOf(request.path)).sort();
  assert.deepEqual(fetched, Object.keys(changes).sort());
  const urls = [...said.added, ...said.changed, ...said.renamed.map((renamed) => renamed.to)];
  assert.deepEqual(urls.map(pathOf).sort(), fetched);
  const bytes = fetched.reduce((sum, path) => sum + statSync(join(dist, path)).size, 0);
  assert.equal(bytes, said.fetch_bytes);
  assert.equal(said.unchanged, Object.keys(kept).length + 1);
  assert.deepEqual((await cached(page, "precache")).sort(), expected(dist));
});

test("a page from the precache knows the hash of the build it runs", DEADLINE, async (t) => {
  const folder = scratch(t);
  const hash = ["1", "2"].map((name) => {
    const outputs = ["--page-hash", join(folder, name, "manifest-hash.js")];
    const dist = build(folder, name, { "a.js": name }, { outputs });
    return precacheHash(["--print-hash", "--include", "**/*", dist]).trim();
  });
  release(join(folder, "current"), join(folder, "1"));
  const { url } = await serve(t, folder);
  const page = await openPage(t, url);
  assert.equal(await install(page), "activated");
  // The server has the next release already, yet the page is the old one.
  release(join(folder, "current"), join(folder, "2"));
  await page.reload();
  assert.equal(await runningHash(page), `sha256:${hash[0]}`);
  assert.equal(await install(page), "activated");
  await page.reload();
  assert.equal(await runningHash(page), `sha256:${hash[1]}`);
});

function runningHash(page) {
  return page.evaluate(() => document.querySelector('meta[name="manifest-hash"]').content);
}

function inside(folder, word) {
  return word.endsWith(".json") ? join(folder, word) : word;
}
