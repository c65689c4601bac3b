// What the precache tests share: folders of releases, a server, a browser, and a page that registers a worker.
//
// Programs come from the testbed, which ends them with this process; folders go with the test.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const requirePeer = createRequire(join(ROOT, "tests/npm/package.json"));

/** The page of every release: no icon to ask the server for, and the script that tells the page its hash. */
export const PAGE = `<!doctype html><html><head><link rel="icon" href="data:,"><title>t</title>
<script src="manifest-hash.js"></script></head><body></body></html>
`;

/** The path of a program of the workspace. */
function program(name) {
  return join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug", name);
}

/** Runs precache-hash; returns its stdout. Another exit code than `code` fails. */
export function precacheHash(words, { input, code = 0 } = {}) {
  const ended = spawnSync(program("precache-hash"), words, { input: input ?? "", encoding: "utf8" });
  if (ended.error) throw ended.error;
  if (ended.status !== code) throw new Error(`precache-hash ${words.join(" ")}: exit ${ended.status}\n${ended.stderr}`);
  return ended.stdout;
}

/** Starts a server or browser of the testbed and waits until it is ready; it ends with the test `t`. */
export async function testbed(t, ...words) {
  const child = spawn(program("testbed"), words, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.stdin.end();
    await once(child, "exit");
  });
  for await (const line of createInterface(child.stdout)) return JSON.parse(line).url;
  throw new Error(`testbed ${words.join(" ")} ended before it was ready`);
}

/** A folder that goes with the test. */
export function scratch(t) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-precache-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes files, a map of path to content. */
export function write(folder, files) {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return folder;
}

/** SHA-256 of every file below `folder`, by path. */
export function digests(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [relative(folder, path), sha256(readFileSync(path))]));
}

export function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Makes `link` lead to `folder`, at one instant. */
export function release(link, folder) {
  symlinkSync(folder, `${link}.next`);
  renameSync(`${link}.next`, link);
}

/** Serves the folder that `current` below `folder` leads to; `requests()` are those answered since the last call. */
export async function serve(t, folder) {
  const log = join(folder, "requests.jsonl");
  const url = await testbed(t, "http", "--root", join(folder, "current"), "--log", log);
  let seen = 0;
  const requests = () => {
    const lines = readFileSync(log, "utf8").split("\n").filter(Boolean);
    return lines.slice(seen, (seen = lines.length)).map((line) => JSON.parse(line));
  };
  return { url, requests };
}

/** A page of a new profile in a browser of its own. */
export async function openPage(t, url) {
  const { chromium } = requirePeer("playwright-core");
  const browser = await chromium.connectOverCDP(await testbed(t, "chromium"));
  const open = async (address) => {
    const page = await (await browser.newContext()).newPage();
    await page.goto(address);
    return page;
  };
  t.after(() => browser.close());
  return url === undefined ? open : open(url);
}

/** The final state of the worker that `script` registers or updates to: `activated` or `redundant`. */
export function install(page, script = "sw.js") {
  return page.evaluate(async (script) => {
    const known = await navigator.serviceWorker.getRegistration();
    const found = new Promise((resolve) => known?.addEventListener("updatefound", resolve, { once: true }));
    const registration = known ?? (await navigator.serviceWorker.register(script, { updateViaCache: "none" }));
    if (known) await Promise.all([found, known.update()]);
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    // An install may fail before anybody looks.
    if (!worker) return "redundant";
    return new Promise((resolve) => {
      const tell = () => ["activated", "redundant"].includes(worker.state) && resolve(worker.state);
      worker.addEventListener("statechange", tell);
      tell();
    });
  }, script);
}

/** SHA-256 of every body in the caches whose name holds `name`, by the path of its URL. */
export async function cached(page, name) {
  const entries = await page.evaluate(async (name) => {
    const names = (await caches.keys()).filter((key) => key.includes(name));
    const stored = await Promise.all(
      names.map(async (key) => {
        const cache = await caches.open(key);
        return Promise.all((await cache.keys()).map(async (request) => [request.url, await cache.match(request)]));
      }),
    );
    const digest = async ([url, response]) => {
      const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.arrayBuffer()));
      return [url, Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")];
    };
    return Promise.all(stored.flat().map(digest));
  }, name);
  return entries.map(([url, digest]) => [pathOf(url), digest]);
}

/** The file that a URL names: decoded by the platform, not by the tool under test. */
export function pathOf(url) {
  return decodeURIComponent(new URL(url, "http://localhost").pathname).slice(1);
}
