// Drives one tab for ngsw_browser.rs: each line on stdin is a command, each answer one line of JSON on stdout.
import { createInterface } from 'node:readline';

const [playwright, endpoint, site] = process.argv.slice(2);
const { chromium } = await import(playwright);
const browser = await chromium.connectOverCDP(endpoint);
const page = await browser.contexts()[0].newPage();

/** Registers Angular's worker and loads the page again from it: it tells news only to tabs that it has served. */
async function open() {
  await page.goto(site);
  await page.evaluate(async () => {
    await navigator.serviceWorker.register('/ngsw-worker.js');
    if (!navigator.serviceWorker.controller) {
      await new Promise((done) => navigator.serviceWorker.addEventListener('controllerchange', done, { once: true }));
    }
    navigator.serviceWorker.controller.postMessage({ action: 'INITIALIZE' });
  });
  await check();
  await page.reload();
}

/** Asks the worker for a new version, as `SwUpdate.checkForUpdate()` does: everything it says until it is done. */
function check() {
  return page.evaluate(
    () =>
      new Promise((done) => {
        const said = [];
        const nonce = Math.floor(Math.random() * 1e9);
        navigator.serviceWorker.addEventListener('message', ({ data }) => {
          said.push(data.type === 'VERSION_INSTALLATION_FAILED' ? `${data.type}: ${data.error}` : data.type);
          if (data.type === 'OPERATION_COMPLETED' && data.nonce === nonce) done(said);
        });
        navigator.serviceWorker.controller.postMessage({ action: 'CHECK_FOR_UPDATES', nonce });
      }),
  );
}

/** The worker's own report. */
function state() {
  return page.evaluate(async () => (await fetch('/ngsw/state')).text());
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await { open, check, state }[line]();
  console.log(JSON.stringify(answer ?? null));
}
await page.close();
process.exit(0);
