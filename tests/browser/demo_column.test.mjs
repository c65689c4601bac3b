// The demo's second stage: it ends well, and its server ends with it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const DEADLINE = { timeout: 240_000 };

test("a column is filled, verified and given up, and every line is shown with its time", DEADLINE, () => {
  const words = [join(import.meta.dirname, "demo_column.mjs")];
  const { status, stdout, stderr } = spawnSync("node", words, { cwd: ROOT, encoding: "utf8", input: "" });
  assert.equal(status, 0, stdout + stderr);
  const [, table] = stdout.split("as the database reports it");
  assert.equal(table.match(/\d\.\d s$/gm)?.length, 8, stdout);
});
