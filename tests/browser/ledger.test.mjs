// The demo says nothing that the browser does not report.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger, Mismatch } from "./ledger.mjs";

function ledger(times = [0]) {
  const written = [];
  return { written, ledger: new Ledger((line) => written.push(line), () => times.shift() ?? 0) };
}

test("a line is written when all that was expected is reported", () => {
  const { ledger: book, written } = ledger();
  book.expect("the tab runs release 2", { release: "2", hash: "b", more: true }, { release: "2", hash: "b" });
  assert.deepEqual(written, ["  the tab runs release 2"]);
});

for (const [name, reported] of [
  ["another value", { release: "1", reloads: 1 }],
  ["another type", { release: "2", reloads: "1" }],
  ["nothing", { release: "2" }],
]) {
  test(`${name} stops the demo, and the line is not written`, () => {
    const { ledger: book, written } = ledger();
    const claim = () => book.expect("the tab runs release 2", reported, { release: "2", reloads: 1 });
    assert.throws(claim, (error) => error instanceof Mismatch && /not true: the tab runs release 2/.test(error.message));
    assert.deepEqual([written, book.rows], [[], []]);
  });
}

test("the table says how long each stage took", () => {
  const { ledger: book } = ledger([0, 0, 1500, 1500, 1700, 1700]);
  book.begin();
  book.expect("one", {}, {});
  book.expect("three", {}, {});
  assert.equal(book.table(), "  one      1.5 s\n  three    0.2 s");
});
