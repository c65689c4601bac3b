// Orders are read by the code that runs in the page; the peer that signs them is npm jose.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readOrder } from "../../wasm/js/orders.js";
import { signer } from "./signer.mjs";

const HASH = `sha256:${"ab".repeat(32)}`;
const LABELS = { tenant: "a", branch: "main" };

async function setting() {
  const { sign, keys } = await signer();
  const read = (text, install = "one") => readOrder(text, keys, LABELS, install);
  return { sign: (changes, header) => sign({ manifest_hash: HASH, ...changes }, header), read, keys };
}

test("a good order is read, member by member", async () => {
  const { sign, read } = await setting();
  const claims = { id: "01JZZZZZZZZZZZZZZZZZZZZZZZ", seq: 42, severity: "high", deadline: 900, jitter_ms: 5000, issued_at: 10, expires_at: 20 };
  assert.deepEqual(await read(await sign(claims)), {
    isGood: true, id: claims.id, kind: 1, target: HASH, seq: 42, deadline: 900, jitter: 5000, issued: 10, expires: 20, isForUs: true,
  });
});

test("each changed letter of a signed order is refused", { timeout: 60_000 }, async () => {
  const { sign, read } = await setting();
  const text = await sign();
  const change = (place) => text.slice(0, place) + (text[place] === "B" ? "C" : "B") + text.slice(place + 1);
  const orders = await Promise.all(Array.from(text, (_, place) => read(change(place))));
  // The last letter of a signature carries two bits that mean nothing (RFC 4648, section 3.5).
  const passed = orders.slice(0, -1).filter(({ isGood }) => isGood);
  assert.deepEqual([passed.length, orders.length > 300], [0, true]);
});

for (const [name, changes, header] of [
  ["another algorithm", {}, { alg: "ES256", typ: "fr+jwt", crit: ["b64"], b64: true }],
  ["another type", {}, { typ: "JWT" }],
  ["an unknown key", {}, { kid: "unknown" }],
  ["an unknown severity", { severity: "urgent" }],
  ["an unknown kind", { type: "REBOOT" }],
  ["a text as number", { seq: "1" }],
  ["a negative number", { deadline: -1 }],
  ["a number beyond exactness", { seq: 2 ** 53 }],
  ["an id that is none", { id: "../x" }],
  ["an audience of another shape", { audience: { tenant: 7 } }],
]) {
  test(`${name} is refused`, async () => {
    const { sign, read } = await setting();
    assert.equal((await read(await sign(changes, header))).isGood, false);
  });
}

for (const header of [{ alg: "none" }, { alg: "HS256" }, { alg: "RS256" }, { alg: "ES384" }]) {
  test(`the algorithm ${header.alg} is refused whatever the header says`, async () => {
    const { sign, read, keys } = await setting();
    const [, payload, signature] = (await sign()).split(".");
    const forged = Buffer.from(JSON.stringify({ ...header, typ: "fr+jwt", kid: keys[0].kid })).toString("base64url");
    for (const text of [`${forged}.${payload}.${signature}`, `${forged}.${payload}.`]) {
      assert.equal((await read(text)).isGood, false);
    }
  });
}

for (const text of ["", "..", "a.b.c", "e30.e30.AA", "x".repeat(20_000)]) {
  test(`no order: ${text.slice(0, 12)}`, async () => {
    const { read } = await setting();
    assert.deepEqual(await read(text), { isGood: false, id: "" });
  });
}

test("labels must match, every one with any of its values", async () => {
  const { sign, read } = await setting();
  for (const [audience, isForUs] of [
    [{}, true],
    [{ tenant: ["b", "a"] }, true],
    [{ tenant: ["a"], branch: ["main"] }, true],
    [{ tenant: ["a"], branch: ["next"] }, false],
    [{ region: ["eu"] }, false],
  ]) {
    assert.equal((await read(await sign({ audience }))).isForUs, isForUs, JSON.stringify(audience));
  }
});

// The places were computed apart: `printf %s "$digits:$install" | sha256sum`, the first four bytes modulo 100.
for (const [install, place] of [["one", 81], ["two", 37]]) {
  test(`browser ${install} is number ${place} of a hundred, as the hub counts`, async () => {
    const { sign, read } = await setting();
    assert.equal((await read(await sign({ rollout: place }), install)).isForUs, false);
    assert.equal((await read(await sign({ rollout: place + 1 }), install)).isForUs, true);
  });
}
