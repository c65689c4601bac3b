// The update helper in real Chromium: a new release is noticed, announced, and applied when its user says so.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DEADLINE, becomes, check, phase, reach, runs, settle, stage, style, tab, toast } from "./update_stage.mjs";

test("a new release is announced, and a click runs it after one reload", DEADLINE, async (t) => {
  const { deploy, profile, url, hashes } = await stage(t);
  const page = await tab(await profile(), url);
  assert.equal(await toast(page), null);
  deploy("2");
  await check(page);
  await reach(page, "ready");
  assert.equal(await toast(page), "ready");
  assert.equal((await page.evaluate(() => window.updates.state())).target, hashes[2]);
  await page.getByRole("button", { name: "Update" }).click();
  await becomes(page, "2");
  assert.equal(page.navigations, 1);
  assert.equal(await page.evaluate(() => window.updates.state().running), hashes[2]);
  assert.equal(await toast(page), null);
});

test("three releases in one long-lived tab are all announced", DEADLINE, async (t) => {
  const { deploy, profile, url, hashes } = await stage(t, ["1", "2", "3", "4"]);
  const page = await tab(await profile(), url);
  for (const name of ["2", "3", "4"]) {
    deploy(name);
    await check(page);
    await page.waitForFunction((hash) => {
      const { phase, target } = window.updates.state();
      return phase === "ready" && target === hash;
    }, hashes[name]);
    assert.equal(await toast(page), "ready", name);
    await page.getByRole("button", { name: "Later" }).click();
    assert.equal(await toast(page), null, name);
  }
  await page.evaluate(() => window.updates.applyUpdate());
  await becomes(page, "4");
  assert.equal(page.navigations, 1);
});

test("a rollback is an update", DEADLINE, async (t) => {
  const { deploy, profile, url } = await stage(t);
  deploy("2");
  const page = await tab(await profile(), url);
  deploy("1");
  await check(page);
  await reach(page, "ready");
  await page.getByRole("button", { name: "Update" }).click();
  await becomes(page, "1");
});

test("a tab of the first visit, without a controller, can update", DEADLINE, async (t) => {
  const { deploy, profile, url } = await stage(t);
  const page = await tab(await profile(), url, { isControlled: false });
  assert.equal(await page.evaluate(() => navigator.serviceWorker.controller), null);
  deploy("2");
  await check(page);
  await reach(page, "ready");
  await page.getByRole("button", { name: "Update" }).click();
  await becomes(page, "2");
  assert.equal(page.navigations, 1);
});

test("an update in one tab asks in the other, whose button then works", DEADLINE, async (t) => {
  const { deploy, profile, url } = await stage(t);
  const context = await profile();
  const [first, second] = [await tab(context, url), await tab(context, url)];
  deploy("2");
  for (const page of [first, second]) {
    await check(page);
    await reach(page, "ready");
  }
  await second.getByRole("button", { name: "Update" }).click();
  await becomes(second, "2");
  await reach(first, "ready");
  assert.deepEqual([await runs(first), first.navigations, await toast(first)], ["1", 0, "ready"]);
  await first.getByRole("button", { name: "Update" }).click();
  await becomes(first, "2");
});

test("a page in place of the version file is no update", DEADLINE, async (t) => {
  const { profile, url } = await stage(t, ["1"]);
  const page = await tab(await profile(), url, {
    prepare: (page) => page.route("**/version.json", (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><p>app" })),
  });
  await check(page);
  assert.equal(await phase(page), "idle");
  assert.equal(await toast(page), null);
});

test("a hook that fails keeps the page and says so", DEADLINE, async (t) => {
  const { deploy, profile, url } = await stage(t);
  const page = await tab(await profile(), url);
  await page.locator("[name=recipient]").fill("Busan Cold Storage Co.");
  await page.evaluate(() => (Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); }));
  deploy("2");
  await check(page);
  await reach(page, "ready");
  await page.getByRole("button", { name: "Update" }).click();
  await reach(page, "failed");
  assert.deepEqual([await runs(page), page.navigations, await toast(page)], ["1", 0, "failed"]);
  assert.equal(await page.locator("[name=recipient]").inputValue(), "Busan Cold Storage Co.");
});

async function announced(t, options) {
  const { deploy, profile, url } = await stage(t);
  const page = await tab(await profile(options), url + (options?.query ?? ""));
  await page.evaluate((scheme) => (document.documentElement.style.colorScheme = scheme), options?.colorScheme ?? "");
  deploy("2");
  await check(page);
  await reach(page, "ready");
  await page.locator("slipway-toast h2").filter({ hasText: /\S/ }).waitFor();
  return page;
}

test("the toast is announced politely and leaves the focus where it is", DEADLINE, async (t) => {
  const { deploy, profile, url } = await stage(t);
  const page = await tab(await profile(), url);
  await page.locator("[name=note]").focus();
  deploy("2");
  await check(page);
  await reach(page, "ready");
  assert.equal(await page.evaluate(() => document.activeElement.name), "note");
  await page.getByRole("status").filter({ hasText: "Update available" }).waitFor();
  await page.getByRole("group", { name: "Application update" }).waitFor();
});

test("the keyboard reaches the toast: Enter updates", DEADLINE, async (t) => {
  const page = await announced(t);
  await focusToast(page);
  await page.keyboard.press("Enter");
  await becomes(page, "2");
});

test("the keyboard reaches the toast: Escape puts off", DEADLINE, async (t) => {
  const page = await announced(t);
  await focusToast(page);
  await page.keyboard.press("Escape");
  await page.locator("slipway-toast").waitFor({ state: "hidden" });
  assert.equal(await runs(page), "1");
});

async function focusToast(page) {
  for (let presses = 0; presses < 30; presses += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(() => document.activeElement.localName === "slipway-toast")) return;
  }
  assert.fail("Tab does not reach the toast");
}

for (const colorScheme of ["light", "dark"]) {
  test(`every text of the toast has a contrast of 4.5 to 1, ${colorScheme}`, DEADLINE, async (t) => {
    const page = await announced(t, { colorScheme });
    const background = await style(page, "section", "backgroundColor");
    for (const [selector, behind] of [["h2", background], ["p", background], ["button:not(.main)", background], ["button.main", null]]) {
      const color = await style(page, selector, "color");
      const ratio = contrast(color, behind ?? (await style(page, selector, "backgroundColor")));
      assert.ok(ratio >= 4.5, `${selector}: ${ratio.toFixed(2)}`);
    }
  });
}

/** The contrast ratio of WCAG 2.2. */
function contrast(...colors) {
  const [dark, light] = colors.map((color) => {
    const [red, green, blue] = color.match(/[\d.]+/g).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }).sort((one, other) => one - other);
  return (light + 0.05) / (dark + 0.05);
}

test("the toast moves, but not for those who asked for less motion", DEADLINE, async (t) => {
  assert.notEqual(await style(await announced(t), "section", "animationName"), "none");
  assert.equal(await style(await announced(t, { reducedMotion: "reduce" }), "section", "animationName"), "none");
});

test("a Korean page has a Korean toast", DEADLINE, async (t) => {
  const page = await announced(t, { query: "/?lang=ko" });
  assert.equal(await page.locator("slipway-toast h2").textContent(), "업데이트가 있습니다");
  assert.equal(await page.locator("slipway-toast").getAttribute("lang"), "ko");
  await page.getByRole("button", { name: "업데이트", exact: true }).click();
  await becomes(page, "2");
});

/** A page with nothing but the helper and these options, written as JavaScript. */
async function bare(t, options, prepare = async () => {}) {
  const set = await stage(t);
  const script = `import init, { start } from "./slipway_update.js"; await init(); window.updates = start(${options});`;
  for (const name of ["1", "2"]) {
    const page = `<!doctype html><body data-release="${name}"><script src="manifest-hash.js"></script><script type="module">${script}</script>`;
    writeFileSync(join(set.folder, name, "bare.html"), page);
  }
  const page = await (await set.profile()).newPage();
  await prepare(page);
  await page.goto(`${set.url}/bare.html`);
  await page.waitForFunction(() => window.updates);
  await settle(page);
  set.deploy("2");
  await check(page);
  return page;
}

test("an error in the application's own callback does not stop the helper", DEADLINE, async (t) => {
  const page = await bare(t, `{ onState() { throw new Error("mine"); } }`);
  await reach(page, "ready");
  assert.equal(await toast(page), "ready");
});

test("without service workers a click reloads plainly", DEADLINE, async (t) => {
  const none = () => Object.defineProperty(Navigator.prototype, "serviceWorker", { value: undefined });
  const page = await bare(t, "{}", (page) => page.addInitScript(none));
  await reach(page, "ready");
  assert.doesNotMatch(await page.locator("slipway-toast p").textContent(), /typed/, "nothing keeps what is typed here");
  await page.getByRole("button", { name: "Update" }).click();
  await becomes(page, "2");
});

test("an application with its own toast gets none", DEADLINE, async (t) => {
  const page = await bare(t, "{ toast: false }");
  await reach(page, "ready");
  assert.equal(await toast(page), null);
});

test("options of the wrong type count as absent", DEADLINE, async (t) => {
  const page = await bare(t, "{ serviceWorker: 7, versionUrl: null, publicKeys: 'x', labels: 1, checkEveryMs: '1', onState: {} }");
  await reach(page, "ready");
});
