// Drives a tab step by step, for scripts: `node tests/browser/tab.mjs CDP_URL COMMAND [ARGUMENT]...`
//
//   open URL              load the page into the browser's first tab
//   wait SELECTOR         until an element is visible
//   type SELECTOR TEXT    replace the text of a field
//   click SELECTOR
//   report                one JSON line: release, running hash, update phase, toast, fields of the form
//   screenshot FILE
//
// CDP_URL is what `testbed chromium` prints. The tab stays when the command ends. Exit 1 when it does not happen in time.

import { requirePeer } from "./precache_stage.mjs";
import { STEP } from "./until.mjs";

const [endpoint, command, ...words] = process.argv.slice(2);

const COMMANDS = {
  open: (page, [url]) => page.goto(url),
  wait: (page, [selector]) => page.locator(selector).waitFor(STEP),
  type: (page, [selector, text]) => page.locator(selector).fill(text, STEP),
  click: (page, [selector]) => page.locator(selector).click(STEP),
  screenshot: (page, [path]) => page.screenshot({ path }),
  async report(page) {
    const report = await page.evaluate(() => ({
      type: "summary",
      release: document.body.dataset.release ?? null,
      running: document.querySelector("meta[name=manifest-hash]")?.content ?? null,
      phase: document.documentElement.dataset.update ?? null,
      toast: document.querySelector("slipway-toast:not([hidden])")?.dataset.toast ?? null,
      fields: Object.fromEntries(Array.from(document.querySelectorAll("[name]:not(meta)"), ({ name, value }) => [name, value])),
    }));
    process.stdout.write(`${JSON.stringify(report)}\n`);
  },
};

if (!Object.hasOwn(COMMANDS, command ?? "")) {
  process.stderr.write(`tab: usage: tab.mjs CDP_URL ${Object.keys(COMMANDS).join("|")} [ARGUMENT]...\n`);
  process.exit(2);
}
try {
  const { chromium } = requirePeer("playwright-core");
  const browser = await chromium.connectOverCDP(endpoint);
  const [context] = browser.contexts();
  const page = context.pages()[0] ?? (await context.newPage());
  await COMMANDS[command](page, words);
  // Leaving without a close keeps the tab.
  process.exit(0);
} catch (error) {
  process.stderr.write(`tab: ${command} ${words.join(" ")}: ${error.message}\n`);
  process.exit(1);
}
