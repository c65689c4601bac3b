// The page's reader of manifest hashes takes what Rust's `ManifestHash` takes, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hashNumber, name, number } from "../../wasm/js/names.js";

const HASH = "ab".repeat(32);

test("both forms of a hash are one name", () => {
  assert.ok(hashNumber(HASH) > 0);
  assert.equal(hashNumber(`sha256:${HASH}`), hashNumber(HASH));
  assert.equal(name(hashNumber(HASH)), `sha256:${HASH}`);
});

test("each changed character of a hash is another hash or none", () => {
  for (let place = 0; place < HASH.length; place += 1) {
    const changed = (letter) => HASH.slice(0, place) + letter + HASH.slice(place + 1);
    assert.notEqual(hashNumber(changed("c")), hashNumber(HASH), `${place}`);
    for (const letter of ["g", "A", " ", "", "00"]) assert.equal(hashNumber(changed(letter)), 0, `${place} ${letter}`);
  }
});

for (const text of ["", "sha256:", `sha1:${HASH}`, `SHA256:${HASH}`, ` ${HASH}`, `${HASH}\n`, `sha256:sha256:${HASH}`]) {
  test(`no hash: ${JSON.stringify(text).slice(0, 20)}`, () => assert.equal(hashNumber(text), 0));
}

test("ids keep their numbers, and zero is none", () => {
  assert.deepEqual([number("one"), name(number("one")), number(""), name(0)], [number("one"), "one", 0, ""]);
});
