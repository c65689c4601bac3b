// What the tests of the update helper share: releases of the example application, a server that switches between them,
// tabs of a real browser, and a hub that says what the test wants.

import { execFileSync } from "node:child_process";
import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { release, requirePeer, scratch, testbed } from "./precache_stage.mjs";
import { STEP, until } from "./until.mjs";

export { until };

/** A tab in the background draws no frames, so pages are asked by time. */
const POLL = { ...STEP, polling: 50 };

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A step that neither happens nor fails by then hangs. */
export const DEADLINE = { timeout: 90_000 };

// One browser and one build of each release serve a whole file of tests; each test has its own profile and folder.
const shared = { closing: [] };
const file = { after: (close) => shared.closing.unshift(close) };
after(async () => {
  for (const close of shared.closing) await close();
});

async function sharedBrowser() {
  const { chromium } = requirePeer("playwright-core");
  const browser = await chromium.connectOverCDP(await testbed(file, "chromium"));
  file.after(() => browser.close());
  return browser;
}

/** Builds the release unless this file has done so; answers with its hash. */
function build(name) {
  shared.hashes ??= {};
  if (!shared.folder) {
    execFileSync(join(ROOT, "scripts/build-wasm"), { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
    shared.folder = scratch(file);
  }
  const output = () => execFileSync(join(ROOT, "scripts/build-pwa"), [name, join(shared.folder, name)], { cwd: ROOT, encoding: "utf8" });
  return (shared.hashes[name] ??= `sha256:${output().trim()}`);
}

/** Puts releases of the application into the test's folder, and serves the first. */
export async function stage(t, names = ["1", "2"], server = {}) {
  const folder = scratch(t);
  const hashes = Object.fromEntries(names.map((name) => [name, build(name)]));
  for (const name of names) {
    cpSync(join(shared.folder, name), join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "server.json"), JSON.stringify(server));
  }
  const deploy = (name) => release(join(folder, "current"), join(folder, name));
  deploy(names[0]);
  const url = await testbed(t, "http", "--root", join(folder, "current"));
  const browser = await (shared.browser ??= sharedBrowser());
  const profile = async (options = {}) => {
    const context = await browser.newContext({ viewport: { width: 1180, height: 800 }, ...options });
    t.after(() => context.close());
    return context;
  };
  return { folder, hashes, deploy, url, profile };
}

/** A tab on the application, once its helper runs and, unless it must not, its worker controls it. */
export async function tab(context, url, { isControlled = true, prepare = async () => {} } = {}) {
  const page = await context.newPage();
  page.navigations = 0;
  page.on("domcontentloaded", () => (page.navigations += 1));
  await prepare(page);
  await page.goto(url);
  await page.waitForFunction(() => window.updates, null, POLL);
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  if (isControlled) {
    await page.reload();
    await page.waitForFunction(() => window.updates && navigator.serviceWorker.controller, null, POLL);
  }
  await settle(page);
  page.navigations = 0;
  return page;
}

/** The phase as the page reports it. */
export const phase = (page) => page.evaluate(() => window.updates.state().phase);

/** Waits until the helper is in one of these phases. */
export const reach = (page, ...phases) =>
  page.waitForFunction((phases) => phases.includes(window.updates?.state().phase), phases, POLL);

/** Waits until the helper has nothing under way. */
export const settle = (page) => reach(page, "idle", "ready", "failed");

/** Asks the origin now, and waits for the end of that check. */
export async function check(page) {
  await page.evaluate(() => window.updates.checkForUpdate());
  await settle(page);
}

/** The release that the page runs, by its own document. */
export const runs = (page) => page.locator("body").getAttribute("data-release");

/** Waits until the page runs this release. */
export async function becomes(page, name) {
  await page.waitForFunction((name) => document.body?.dataset.release === name && window.updates, name, POLL);
}

/** The toast that is shown now, or null. */
export async function toast(page) {
  const host = page.locator("slipway-toast");
  if ((await host.count()) === 0 || (await host.isHidden())) return null;
  return host.getAttribute("data-toast");
}

/** The address at which pages look for the hub that `hub` plays. */
export const HUB_URL = "ws://localhost:9/v1/ws";

/** Plays the hub for a page: keeps what it says, and says what the test wants. */
export function hub() {
  const played = { hellos: [], acks: [], current: null, sockets: [] };
  const listen = (socket) => {
    played.sockets.push(socket);
    socket.onMessage((text) => {
      const frame = JSON.parse(text);
      if (frame.t === "hello") {
        played.hellos.push(frame);
        socket.send(JSON.stringify({ t: "welcome", epoch: "one", seq: 0, hb: 25, event: played.current }));
      }
      if (frame.t === "ack") played.acks.push(frame);
    });
  };
  return {
    ...played,
    prepare: (page) => page.routeWebSocket(HUB_URL, listen),
    send: (jws) => played.sockets.at(-1).send(JSON.stringify({ t: "event", jws })),
    keep: (jws) => (played.current = jws),
    /** Waits for an acknowledgement of this state. */
    async answer(state, why) {
      const is = (ack) => ack.state === state && (why === undefined || ack.why === why);
      await until(() => played.acks.some(is), () => `an ack ${state} ${why ?? ""}; got ${JSON.stringify(played.acks)}`);
      return played.acks.find(is);
    },
  };
}

/** A property of the toast as the browser computes it. */
export const style = (page, selector, property) =>
  page.locator(`slipway-toast ${selector}`).evaluate((element, property) => getComputedStyle(element)[property], property);

