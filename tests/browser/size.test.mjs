// What the update helper weighs is part of its contract.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { sizes } from "../../wasm/js/sizes.mjs";

const ROOT = join(import.meta.dirname, "../..");

/** Module, glue and toast together, compressed by brotli 11 as a CDN does. */
const LIMIT_BYTES = 14_000;

test("module and glue stay within their budget", { timeout: 300_000 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "slipway-size-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const printed = JSON.parse(execFileSync(join(ROOT, "scripts/build-wasm"), [folder], { cwd: ROOT, encoding: "utf8" }));
  assert.deepEqual(printed, sizes(folder), "the script must print what is there");
  assert.ok(printed.brotli_bytes <= LIMIT_BYTES, `${printed.brotli_bytes} B are more than ${LIMIT_BYTES} B`);
});
