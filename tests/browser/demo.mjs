// A release travels from a build folder to an open tab: the program behind scripts/demo.
//
// Every line that it prints about the browser is first compared with what the browser itself reports. Server, hub and
// browser belong to the testbed, which ends them with this process, however that ends.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { Ledger, Mismatch } from "./ledger.mjs";
import { release, requirePeer } from "./precache_stage.mjs";
import { STEP, until } from "./until.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
const IS_OPEN = process.argv.includes("--open");
const FOLDER = join(TARGET, IS_OPEN ? "demo-open" : "demo");
const RECIPIENT = "Busan Cold Storage Co.";
const NOTE = "Gate 4, ring twice. Frozen goods: keep below -18 °C.";

const children = [];
let isLeaving = false;
const say = (text) => process.stdout.write(`${text}\n`);
const program = (name) => join(TARGET, "debug", name);

/** Runs a program to its end; what it says on stderr is shown only when it fails. */
function run(name, words, options = {}) {
  try {
    return execFileSync(name, words, { cwd: ROOT, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"], ...options });
  } catch (error) {
    throw new Error(`${name} ${words.join(" ")}: exit ${error.status}\n${error.stderr ?? ""}`);
  }
}

/** Starts a server or browser that ends with this process. */
async function start(...words) {
  const child = spawn(program("testbed"), words, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  for await (const line of createInterface(child.stdout)) return JSON.parse(line);
  throw new Error(`testbed ${words.join(" ")} ended before it was ready`);
}

/** Builds a release and its manifest; answers with the hash. */
function build(name, server) {
  const dist = join(FOLDER, name);
  const hash = run(join(ROOT, "scripts/build-pwa"), [name, dist]).trim();
  run(program("precache-hash"), [dist, "--include", "**/*.{js,wasm,css,html,svg,webmanifest}", "--format", "json", "-o", `${dist}.json`]);
  writeFileSync(join(dist, "server.json"), JSON.stringify(server));
  return `sha256:${hash}`;
}

const deploy = (name) => release(join(FOLDER, "current"), join(FOLDER, name));

/** What the browser says of the tab, from document, worker and form. */
async function report(page) {
  const told = await page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const script = await fetch("manifest-hash.js").then((response) => response.text());
    return {
      release: document.body.dataset.release,
      running: document.querySelector("meta[name=manifest-hash]").content,
      worker: /sha256:[0-9a-f]{64}/.exec(script)[0],
      isWorkerActive: registration.active.state === "activated",
      recipient: document.querySelector("[name=recipient]").value,
      note: document.querySelector("[name=note]").value,
      toast: document.querySelector("slipway-toast:not([hidden])")?.dataset.toast ?? "",
    };
  });
  return { ...told, reloads: page.navigations - 1 };
}

/** Waits until the tab runs this release and its worker is active. */
async function becomes(page, name) {
  const isThere = async (name) => {
    if (document.body?.dataset.release !== name || !window.updates) return false;
    const registration = await navigator.serviceWorker.getRegistration();
    return registration?.active?.state === "activated" && !registration.installing && !registration.waiting;
  };
  // A page that is being replaced answers nothing.
  const isDone = () => page.evaluate(isThere, name).catch(() => false);
  await happens(`the tab runs release ${name}`, until(isDone, () => `release ${name} in the tab`));
}

/** What does not happen in time is not true. */
async function happens(claim, event) {
  try {
    await event;
  } catch (error) {
    throw new Mismatch(`not true: ${claim}\n  ${error.message}`);
  }
}

async function screenshot(page, name) {
  const path = join(FOLDER, `${name}.png`);
  // The picture shows the toast at rest.
  await page.evaluate(() => document.querySelector("slipway-toast")?.shadowRoot.getAnimations().forEach((move) => move.finish()));
  await page.screenshot({ path });
  return path;
}

function difference(old, next) {
  const words = ["diff", join(FOLDER, `${old}.json`), join(FOLDER, `${next}.json`), "--files", join(FOLDER, next)];
  const { stdout, status, stderr } = spawnDiff(words);
  if (status !== 1) throw new Error(`two releases should differ: exit ${status}\n${stderr}`);
  say(stdout.trimEnd().split("\n").map((line) => `    ${line}`).join("\n"));
}

function spawnDiff(words) {
  try {
    return { stdout: execFileSync(program("precache-hash"), words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }), status: 0 };
  } catch ({ stdout, stderr, status }) {
    return { stdout, stderr, status };
  }
}

/** Site and hub, and what a page must know of the hub. */
async function serve(port) {
  mkdirSync(join(FOLDER, "empty"));
  deploy("empty");
  const site = await start("http", "--root", join(FOLDER, "current"), "--port", String(port));
  const key = join(FOLDER, "release");
  run(program("sw-force-refresh"), ["keygen", "--quiet", "--out", key]);
  const hub = await start("run", "--ready-line", '"type":"ready"', "--", program("sw-force-refresh"), "serve", "--json", "--quiet",
    "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--origin", site.url.replace(/\/$/, ""), "--verify-key", `${key}.public.jwk`);
  const { listen, admin } = JSON.parse(hub.line);
  const publicKeys = [JSON.parse(readFileSync(`${key}.public.jwk`, "utf8"))];
  const server = { socketUrl: `ws://${listen}/v1/ws`, publicKeys, checkEveryMs: 1000 };
  return { url: site.url, admin: `http://${admin}`, key: `${key}.private.jwk`, server };
}

/** The hash of release 3 goes through a pipe to every browser; the hub counts who runs it. */
function announce({ admin, key, url }, name) {
  const dist = join(FOLDER, name);
  const hash = run(program("precache-hash"), ["--print-hash", "--include", "**/*.{js,wasm,css,html,svg,webmanifest}", dist]);
  const words = ["send", "--critical", "--until", "100%", "--jitter", "1s", "--timeout", "60s", "--json", "--quiet", "--hub", admin];
  const child = spawn(program("sw-force-refresh"), [...words, "--key", key, "--preflight-url", new URL("version.json", url).href]);
  children.push(child);
  child.stdin.end(hash);
  let output = "";
  child.stdout.on("data", (text) => (output += text));
  child.stderr.on("data", (text) => (output += text));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

async function demo(world) {
  const ledger = new Ledger(say);
  const hash = { 1: build("1", world.server) };
  deploy("1");
  const { chromium } = requirePeer("playwright-core");
  const browser = await chromium.connectOverCDP((await start("chromium")).url);
  const page = await (await browser.newContext({ viewport: { width: 1180, height: 760 } })).newPage();
  page.navigations = 0;
  page.on("domcontentloaded", () => (page.navigations += 1));
  await page.goto(world.url);
  await becomes(page, "1");
  const typed = { recipient: RECIPIENT, note: NOTE };
  ledger.expect("a tab runs release 1", await report(page), { release: "1", running: hash[1], isWorkerActive: true, reloads: 0, toast: "" });
  await page.locator("[name=recipient]").fill(RECIPIENT);
  await page.locator("[name=note]").pressSequentially(NOTE);
  ledger.expect("its user has typed, and not saved", await report(page), { ...typed, release: "1" });

  hash[2] = build("2", world.server);
  say("\n  precache-hash diff: what release 2 changes, and what a tab of release 1 must fetch");
  difference("1", "2");
  say("");
  ledger.begin();
  deploy("2");
  const title = page.locator("slipway-toast[data-toast=ready] h2").filter({ hasText: /\S/ });
  await happens("the tab asks", title.waitFor(STEP));
  ledger.expect("release 2 is out: the tab asks, and reloads nothing", await report(page), { ...typed, release: "1", toast: "ready", reloads: 0 });
  const pictures = [await screenshot(page, "1-update-available")];
  await page.getByRole("button", { name: "Update" }).click();
  await becomes(page, "2");
  ledger.expect("a click: release 2 runs after one reload, the form kept", await report(page),
    { ...typed, release: "2", running: hash[2], worker: hash[2], isWorkerActive: true, reloads: 1, toast: "" });
  pictures.push(await screenshot(page, "2-release-2"));

  hash[3] = build("3", world.server);
  ledger.begin();
  deploy("3");
  const sent = await announce(world, "3");
  if (sent.code !== 0) throw new Mismatch(`not true: every tab runs release 3\n  send ended with ${sent.code}\n${sent.output}`);
  await becomes(page, "3");
  ledger.expect("a critical order: release 3 runs by itself, one more reload, the form kept", await report(page),
    { ...typed, release: "3", running: hash[3], worker: hash[3], isWorkerActive: true, reloads: 2, toast: "" });
  const summary = JSON.parse(sent.output.trim().split("\n").at(-1));
  ledger.expect(`the hub counts ${summary.updated} of ${summary.cohort} tabs on release 3`, summary, { updated: 1, cohort: 1 });
  pictures.push(await screenshot(page, "3-release-3"));
  say(`\nWhat happened, each line as the browser reports it\n\n${ledger.table()}\n`);
  for (const path of pictures) say(`  ${path}`);
  await browser.close();
}

/** Leaves release 1 open to the user's own browser until a signal comes. */
async function open(world) {
  build("1", world.server);
  deploy("1");
  say(`Release 1 is at ${world.url}`);
  say("Open it, type something into the form, then press Enter here for the next release. Ctrl-C ends everything.");
  say("To have every tab run a release at once, in another terminal:");
  const include = "--include '**/*.{js,wasm,css,html,svg,webmanifest}'";
  say(`  ${program("precache-hash")} ${include} --print-hash ${join(FOLDER, "current")} |`);
  say(`    ${program("sw-force-refresh")} send --critical --until 100% --hub ${world.admin} --key ${world.key}`);
  let next = 2;
  for await (const _ of createInterface(process.stdin)) {
    build(String(next), world.server);
    deploy(String(next));
    say(`Release ${next} is out: your tab says so within a second or two. Enter makes the next one.`);
    next += 1;
  }
  await new Promise(() => {});
}

/** Ends what was started; the testbed would do so too, a moment later. */
function leave(code) {
  if (isLeaving) return;
  isLeaving = true;
  for (const child of children) child.stdin.end();
  process.exitCode = code;
  Promise.all(children.map((child) => child.exitCode ?? new Promise((resolve) => child.on("exit", resolve)))).then(() => process.exit(code));
}

process.on("SIGINT", () => leave(130));
process.on("SIGTERM", () => leave(143));
process.stdout.on("error", () => leave(0));
try {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const world = await serve(0);
  await (IS_OPEN ? open(world) : demo(world));
  leave(0);
} catch (error) {
  if (!isLeaving) process.stderr.write(`demo: ${error instanceof Mismatch ? error.message : (error.stack ?? error)}\n`);
  leave(error instanceof Mismatch ? 1 : 3);
}
