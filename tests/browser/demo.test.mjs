// The demo itself: it ends well, and nothing outlives it.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { createInterface } from "node:readline";
import { until } from "./until.mjs";

const ROOT = join(import.meta.dirname, "../..");
const DEMO = join(import.meta.dirname, "demo.mjs");
const DEADLINE = { timeout: 240_000 };

before(() => execFileSync(join(ROOT, "scripts/build-wasm"), { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] }), DEADLINE);

test("a release travels to the tab, and every line is shown with its time", DEADLINE, () => {
  const { status, stdout, stderr } = spawnSync("node", [DEMO], { cwd: ROOT, encoding: "utf8", input: "" });
  assert.equal(status, 0, stdout + stderr);
  const [, table] = stdout.split("as the browser reports it");
  assert.equal(table.match(/\d\.\d s$/gm)?.length, 6, stdout);
  for (const path of table.match(/\S+\.png$/gm)) {
    assert.equal(readFileSync(path).subarray(1, 4).toString(), "PNG", path);
  }
});

for (const signal of ["SIGTERM", "SIGKILL"]) {
  test(`nothing outlives a demo that is ended by ${signal}`, DEADLINE, async () => {
    const child = spawn("node", [DEMO, "--open"], { cwd: ROOT, stdio: ["pipe", "pipe", "inherit"] });
    const url = await address(child);
    assert.equal((await fetch(url)).status, 200);
    child.kill(signal);
    await once(child, "exit");
    await until(() => fetch(url).then(() => false, () => true), () => `the end of ${url}`);
  });
}

async function address(child) {
  for await (const line of createInterface(child.stdout)) {
    const [, url] = /Release 1 is at (\S+)/.exec(line) ?? [];
    if (url) return url;
  }
  throw new Error("the demo gave no address");
}
