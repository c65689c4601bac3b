// Angular's own worker in real Chromium lives with our ngsw.json: installs it, finds the next release, refuses a bad one.

import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PAGE, cached, digests, install, openPage, precacheHash, release, requirePeer } from "./precache_stage.mjs";
import { scratch, serve, write } from "./precache_stage.mjs";

/** An answer that does not come by then never comes. */
const DEADLINE = { timeout: 120_000 };

const CONFIG = { index: "/index.html", assetGroups: [{ name: "app", resources: { files: ["/**"] } }] };
const FILES = { "main.js": "main", "a b@+&.js": "odd", "\ud55c\uad6d\uc5b4/\u{1f600}.js": "hangul", "empty.css": "" };

/** Writes `files` as a release and serves it from now on. Returns its folder and its manifest hash. */
function build(folder, name, files, timestamp) {
  const config = join(write(folder, { "ngsw-config.json": JSON.stringify(CONFIG) }), "ngsw-config.json");
  const dist = write(join(folder, name), { "index.html": PAGE, ...files });
  copyFileSync(requirePeer.resolve("@angular/service-worker/ngsw-worker.js"), join(dist, "ngsw-worker.js"));
  const manifest = precacheHash([dist, "--include", "**/*", "--format", "json"]);
  const outputs = ["--page-hash", join(dist, "manifest-hash.js"), "--version-file", join(dist, "version.json")];
  precacheHash(["inject", ...outputs], { input: manifest });
  const angular = ["--format", "ngsw", "--ngsw-config", config, "--timestamp", `${timestamp}`];
  precacheHash([dist, ...angular, "-o", join(dist, "ngsw.json")]);
  release(join(folder, "current"), dist);
  return { dist, hash: JSON.parse(manifest).manifest_hash };
}

/** Every file that the worker must hold: all but the worker and what describes the release to it. */
function expected(dist) {
  const files = digests(dist);
  ["ngsw-worker.js", "ngsw.json", "version.json"].forEach((output) => files.delete(output));
  return [...files].sort();
}

/** Asks the worker as Angular's client does; returns the result and everything it said meanwhile. */
function ask(page, action) {
  return page.evaluate(async (action) => {
    const nonce = Math.round(Math.random() * 10_000_000);
    const said = [];
    const completed = new Promise((resolve) => {
      navigator.serviceWorker.addEventListener("message", function listen({ data }) {
        said.push(data);
        if (data.type !== "OPERATION_COMPLETED" || data.nonce !== nonce) return;
        navigator.serviceWorker.removeEventListener("message", listen);
        resolve(data);
      });
    });
    navigator.serviceWorker.startMessages();
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage({ action, nonce });
    const { result, error } = await completed;
    return { result, error, types: said.map((message) => message.type), said };
  }, action);
}

/** What the worker says of itself. */
function state(page) {
  return page.evaluate(async () => (await fetch("ngsw/state")).text());
}

function runningHash(page) {
  return page.evaluate(() => document.querySelector('meta[name="manifest-hash"]').content);
}

/** What a page that asks for the script of its hash is given. */
function hashScript(page) {
  return page.evaluate(async () => (await fetch("manifest-hash.js")).text());
}

/** The first release in a tab that the worker serves. */
async function firstRelease(t) {
  const folder = scratch(t);
  const first = build(folder, "1", FILES, 1);
  const { url } = await serve(t, folder);
  const page = await openPage(t, url);
  assert.equal(await install(page, "ngsw-worker.js"), "activated");
  // On a local address the worker answers only when it has installed its manifest (driver.ts, scheduleInitialization);
  // a page that loads then belongs to a version.
  assert.equal((await ask(page, "CHECK_FOR_UPDATES")).result, false);
  await page.reload();
  return { folder, page, first };
}

test("the first release is held whole, with the page's hash", DEADLINE, async (t) => {
  const { page, first } = await firstRelease(t);
  assert.deepEqual((await cached(page, ":assets:app:cache")).sort(), expected(first.dist));
  assert.ok(expected(first.dist).some(([path]) => path === "manifest-hash.js"));
  assert.equal(await runningHash(page), first.hash);
  assert.match(await state(page), /^Driver state: NORMAL /m);
});

test("a second release becomes ready, and the page keeps its own hash until it changes over", DEADLINE, async (t) => {
  const { folder, page, first } = await firstRelease(t);
  const second = build(folder, "2", { ...FILES, "main.js": "main 2", "\u00e9.js": "new" }, 2);
  const update = await ask(page, "CHECK_FOR_UPDATES");
  assert.deepEqual([update.result, update.error], [true, undefined]);
  assert.deepEqual(update.types, ["VERSION_DETECTED", "VERSION_READY", "OPERATION_COMPLETED"]);

  assert.ok((await hashScript(page)).includes(first.hash), "the running page was given another release's hash");
  assert.equal((await ask(page, "ACTIVATE_UPDATE")).result, true);
  await page.reload();
  assert.equal(await runningHash(page), second.hash);

  const { latestVersion } = update.said.find((message) => message.type === "VERSION_READY");
  assert.deepEqual((await cached(page, `${latestVersion.hash}:assets:app:cache`)).sort(), expected(second.dist));
  const text = await state(page);
  assert.match(text, /^Driver state: NORMAL /m);
  assert.match(text, new RegExp(`^Latest manifest hash: ${latestVersion.hash}$`, "m"));
  assert.doesNotMatch(text, /mismatch/i);
});

test("a release with one wrong byte is refused by name, and the old one stays", DEADLINE, async (t) => {
  const { folder, page, first } = await firstRelease(t);
  const { dist } = build(folder, "2", { ...FILES, "main.js": "main 2" }, 2);
  write(dist, { "main.js": "Main 2" });
  const update = await ask(page, "CHECK_FOR_UPDATES");
  const failed = update.said.find((message) => message.type === "VERSION_INSTALLATION_FAILED");
  assert.match(failed.error, /Hash mismatch .*\/main\.js/);
  assert.ok(!update.types.includes("VERSION_READY"));
  assert.match(await state(page), /^Driver state: EXISTING_CLIENTS_ONLY .*[Hh]ash mismatch/m);
  assert.ok((await hashScript(page)).includes(first.hash));
});
