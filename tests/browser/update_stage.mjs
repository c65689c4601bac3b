// What the tests of the update helper share: releases of the example application, a server that switches between them,
// tabs of a real browser, and a hub that says what the test wants.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { release, requirePeer, scratch, testbed } from "./precache_stage.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const { SignJWT, exportJWK, generateKeyPair, calculateJwkThumbprint } = await import(
  new URL("../npm/node_modules/jose/dist/webapi/index.js", import.meta.url)
);

/** A step that neither happens nor fails by then hangs. */
export const DEADLINE = { timeout: 90_000 };
const STEP = { timeout: 20_000 };

let isHelperBuilt = false;

/** Builds releases of the application into the test's folder, and serves the first. */
export async function stage(t, names = ["1", "2"], { server = {}, isSpa = false } = {}) {
  if (!isHelperBuilt) execFileSync(join(ROOT, "scripts/build-wasm"), { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
  isHelperBuilt = true;
  const folder = scratch(t);
  const hashes = {};
  for (const name of names) {
    const output = execFileSync(join(ROOT, "scripts/build-pwa"), [name, join(folder, name)], { cwd: ROOT, encoding: "utf8" });
    hashes[name] = `sha256:${output.trim()}`;
    writeFileSync(join(folder, name, "server.json"), JSON.stringify(server));
  }
  const deploy = (name) => release(join(folder, "current"), join(folder, name));
  deploy(names[0]);
  const url = await testbed(t, "http", "--root", join(folder, "current"), ...(isSpa ? ["--spa"] : []));
  const { chromium } = requirePeer("playwright-core");
  const browser = await chromium.connectOverCDP(await testbed(t, "chromium"));
  t.after(() => browser.close());
  const profile = (options = {}) => browser.newContext({ viewport: { width: 1180, height: 800 }, ...options });
  return { folder, hashes, deploy, url, profile };
}

/** A tab on the application, once its helper runs and, unless it must not, its worker controls it. */
export async function tab(context, url, { isControlled = true, prepare = async () => {} } = {}) {
  const page = await context.newPage();
  page.navigations = 0;
  page.on("domcontentloaded", () => (page.navigations += 1));
  await prepare(page);
  await page.goto(url);
  await page.waitForFunction(() => window.updates, null, STEP);
  await page.evaluate(async () => void (await navigator.serviceWorker.ready));
  if (isControlled) {
    await page.reload();
    await page.waitForFunction(() => window.updates && navigator.serviceWorker.controller, null, STEP);
  }
  await settle(page);
  page.navigations = 0;
  return page;
}

/** The phase as the page reports it. */
export const phase = (page) => page.evaluate(() => window.updates.state().phase);

/** Waits until the helper is in one of these phases. */
export const reach = (page, ...phases) =>
  page.waitForFunction((phases) => phases.includes(window.updates?.state().phase), phases, STEP);

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
  await page.waitForFunction((name) => document.body?.dataset.release === name && window.updates, name, STEP);
}

/** The toast that is shown now, or null. */
export async function toast(page) {
  const host = page.locator("slipway-toast");
  if ((await host.count()) === 0 || (await host.isHidden())) return null;
  return host.getAttribute("data-toast");
}

/** A signing key and its public half, as the hub's operator has them. */
export async function signer() {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const sign = (changes = {}, header = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      type: "FORCE_REFRESH", id: ulid(), seq: 1, severity: "critical", deadline: 60, jitter_ms: 0, audience: {},
      rollout: 100, issued_at: now, expires_at: now + 3600, ...changes,
    };
    return new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid, typ: "fr+jwt", ...header }).sign(privateKey);
  };
  return { sign, keys: [{ ...jwk, kid }] };
}

const ulid = () => Array.from({ length: 26 }, () => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[Math.floor(Math.random() * 32)]).join("");

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

/** Waits until `condition` holds, with a deadline. */
export async function until(condition, what) {
  const end = Date.now() + STEP.timeout;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A property of the toast as the browser computes it. */
export const style = (page, selector, property) =>
  page.locator(`slipway-toast ${selector}`).evaluate((element, property) => getComputedStyle(element)[property], property);

