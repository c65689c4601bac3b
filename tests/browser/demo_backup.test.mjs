// The demo's third stage: it ends well, and its servers end with it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const DEADLINE = { timeout: 240_000 };

test("a release is backed up and proven, a dropped table comes back, and every line is shown with its time", DEADLINE, () => {
  const words = [join(import.meta.dirname, "demo_backup.mjs")];
  const { status, stdout, stderr } = spawnSync("node", words, { cwd: ROOT, encoding: "utf8", input: "" });
  assert.equal(status, 0, stdout + stderr);
  const [, table] = stdout.split("servers report it");
  assert.equal(table.match(/\d\.\d s$/gm)?.length, 8, stdout);
});
