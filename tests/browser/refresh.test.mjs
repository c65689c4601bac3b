// FORCE_REFRESH in real Chromium: what an order must do, and all that it must not do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { signer } from "./signer.mjs";
import { DEADLINE, HUB_URL, becomes, hub, phase, runs, settle, stage, tab, toast, until } from "./update_stage.mjs";

const TYPED = "Busan Cold Storage Co.";

/** A tab of release 1 whose hub is played by the test, with something typed into its form. */
async function ordered(t, { query = "", names = ["1", "2"], server = {}, prepare = async () => {} } = {}) {
  const key = await signer();
  const set = await stage(t, names, { socketUrl: HUB_URL, publicKeys: key.keys, ...server });
  const played = hub();
  const prepareBoth = async (page) => {
    await played.prepare(page);
    await prepare(page);
  };
  const context = await set.profile();
  const page = await tab(context, set.url + query, { prepare: prepareBoth });
  await until(() => played.hellos.length > 0, () => "a hello");
  await page.locator("[name=recipient]").fill(TYPED);
  const order = (changes, header) => key.sign({ manifest_hash: set.hashes[2], ...changes }, header);
  return { ...set, context, page, hub: played, order };
}

const field = (page) => page.locator("[name=recipient]").inputValue();

test("a critical order runs the release after one reload, and unsaved input survives", DEADLINE, async (t) => {
  const { page, hub, order, deploy, hashes } = await ordered(t);
  deploy("2");
  hub.send(await order());
  await becomes(page, "2");
  assert.deepEqual([await field(page), page.navigations], [TYPED, 1]);
  await until(() => hub.hellos.at(-1).hash === hashes[2], () => "a hello of the new release");
  assert.equal(hub.hellos.at(-1).client, hub.hellos[0].client, "the hub must see the same client come back");
  assert.deepEqual(hub.acks.map(({ state }) => state), ["received", "updating"]);
});

test("two tabs and a hidden one follow one order, with one reload each", DEADLINE, async (t) => {
  const { context, url, page, hub: first, order, deploy } = await ordered(t);
  const others = [hub(), hub()];
  const pages = [page];
  for (const { prepare } of others) pages.push(await tab(context, url, { prepare, isControlled: false }));
  await pages[1].evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  for (const { hellos } of others) await until(() => hellos.length > 0, () => "a hello");
  deploy("2");
  const text = await order();
  for (const one of [first, ...others]) one.send(text);
  for (const each of pages) await becomes(each, "2");
  for (const each of pages) await settle(each);
  assert.deepEqual(pages.map(({ navigations }) => navigations), [1, 1, 1]);
  assert.equal(await field(page), TYPED);
});

test("without the hook the unsaved input is lost", DEADLINE, async (t) => {
  const { page, hub, order, deploy } = await ordered(t, { query: "/?draft=off" });
  deploy("2");
  hub.send(await order());
  await becomes(page, "2");
  assert.equal(await field(page), "");
});

test("an order that is forged, of another kind or out of date is refused", DEADLINE, async (t) => {
  const { page, hub, order, deploy } = await ordered(t);
  const stranger = await signer();
  deploy("2");
  const good = await order();
  const [header, payload, signature] = good.split(".");
  const now = Math.floor(Date.now() / 1000);
  const flipped = (signature[10] === "A" ? "B" : "A") + signature.slice(11);
  for (const [name, text, why] of [
    ["a changed signature", `${header}.${payload}.${signature.slice(0, 10)}${flipped}`, "bad_signature"],
    ["another's key", await stranger.sign(), "bad_signature"],
    ["no type", await order({}, { typ: "JWT" }), "bad_signature"],
    ["expired", await order({ issued_at: now - 7200, expires_at: now - 3600 }), "expired"],
    ["a life of two days", await order({ expires_at: now + 48 * 3600 }), "expired"],
    ["from the future", await order({ issued_at: now + 3600, expires_at: now + 7200 }), "expired"],
  ]) {
    const { length } = hub.acks;
    hub.send(text);
    await until(() => hub.acks.length > length, () => `an answer to ${name}`);
    assert.deepEqual([hub.acks.at(-1).state, hub.acks.at(-1).why], ["refused", why], name);
  }
  assert.deepEqual([await runs(page), page.navigations, await field(page)], ["1", 0, TYPED]);
});

test("an order for a hash that the origin does not serve fails at its deadline, without a reload", DEADLINE, async (t) => {
  const { page, hub, order } = await ordered(t);
  hub.send(await order({ deadline: 3 }));
  await hub.answer("failed", "not_served");
  assert.deepEqual([await runs(page), page.navigations], ["1", 0]);
});

test("an order waits for an origin that serves the hash a little later", DEADLINE, async (t) => {
  const { page, hub, order, deploy } = await ordered(t);
  hub.send(await order());
  await hub.answer("received");
  await settle(page);
  deploy("2");
  await becomes(page, "2");
  assert.equal(page.navigations, 1);
});

test("a replayed order reloads nothing again", DEADLINE, async (t) => {
  const { page, hub, order, deploy } = await ordered(t);
  deploy("2");
  const text = await order();
  hub.keep(text);
  hub.send(text);
  await becomes(page, "2");
  await hub.answer("skipped");
  for (let replay = 0; replay < 100; replay += 1) hub.send(text);
  await until(() => hub.acks.filter(({ state }) => state === "skipped").length === 101, () => "an answer to each replay");
  assert.equal(page.navigations, 1);
});

test("orders that flap between two releases reload each at most once", DEADLINE, async (t) => {
  const { page, hub, order, deploy, hashes } = await ordered(t);
  deploy("2");
  hub.send(await order({ seq: 1 }));
  await becomes(page, "2");
  await settle(page);
  deploy("1");
  hub.send(await order({ seq: 2, manifest_hash: hashes[1] }));
  await becomes(page, "1");
  await settle(page);
  deploy("2");
  hub.send(await order({ seq: 3 }));
  await hub.answer("refused", "budget");
  assert.deepEqual([await runs(page), page.navigations], ["1", 2]);
});

test("where storage is barred nothing reloads by itself, and the user is asked", DEADLINE, async (t) => {
  const barred = () => Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("barred", "SecurityError"); } });
  const { page, hub, order, deploy } = await ordered(t, { query: "/?draft=off", prepare: (page) => page.addInitScript(barred) });
  deploy("2");
  hub.send(await order());
  await hub.answer("deferred", "user_busy");
  assert.deepEqual([await runs(page), page.navigations, await toast(page)], ["1", 0, "ready"]);
  await page.getByRole("button", { name: "Update" }).click();
  await becomes(page, "2");
});

test("a normal order asks, and a withdrawn one is forgotten", DEADLINE, async (t) => {
  const { page, hub, order, deploy } = await ordered(t);
  deploy("2");
  const claims = { severity: "normal", deadline: 3, id: "01JZZZZZZZZZZZZZZZZZZZZZZZ" };
  hub.send(await order(claims));
  await hub.answer("deferred", "user_busy");
  assert.equal(await toast(page), "ready");
  hub.send(await order({ ...claims, type: "CANCEL", seq: 2 }));
  await until(() => hub.acks.filter(({ state }) => state === "received").length === 2, () => "an answer to the withdrawal");
  hub.send(await order({ seq: 3, deadline: 4 }));
  await becomes(page, "2");
  assert.equal(page.navigations, 1);
});

test("an order for other labels, or another share of browsers, is skipped", DEADLINE, async (t) => {
  const { page, hub, order, deploy } = await ordered(t, { server: { labels: { tenant: "a" } } });
  deploy("2");
  for (const changes of [{ audience: { tenant: ["b"] } }, { audience: { branch: ["main"] } }, { rollout: 0 }]) {
    const { length } = hub.acks;
    hub.send(await order(changes));
    await until(() => hub.acks.length > length, () => "an answer");
    assert.equal(hub.acks.at(-1).state, "skipped", JSON.stringify(changes));
  }
  assert.equal(page.navigations, 0);
  hub.send(await order({ audience: { tenant: ["b", "a"] }, seq: 2 }));
  await becomes(page, "2");
});

test("a page that would lose its hub address in the clear does not connect", DEADLINE, async (t) => {
  const { profile, url } = await stage(t, ["1"], { socketUrl: "ws://hub.example/v1/ws", publicKeys: [] });
  const complaints = [];
  const page = await tab(await profile(), url, {
    isControlled: false,
    prepare: async (page) => {
      page.on("websocket", () => assert.fail("it connects"));
      page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    },
  });
  assert.equal(await phase(page), "idle");
  assert.ok(complaints.some((text) => text.includes("socketUrl must be wss:")), complaints.join("\n"));
});
