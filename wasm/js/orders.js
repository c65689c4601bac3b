// From a signed text to an order: checks the ES256 signature by WebCrypto and reads the payload.
//
// JWS compact form (RFC 7515, section 7.1), ES256 (RFC 7518, section 3.4). The algorithm is pinned here and never taken
// from the header; the key is the configured one with the header's `kid`. This is JavaScript because WebCrypto answers
// by promises and JSON is its own; whether an order is followed is decided by the state machine.

const LONGEST = 16 * 1024;
const IS_ID = /^[0-9A-Za-z]{26}$/;

/** The order in a signed text. `isGood` is false, and only the claimed `id` is there, unless everything is right. */
export async function readOrder(text, keys, labels, install) {
  const order = { isGood: false, id: "" };
  try {
    const [header, payload, signature, ...rest] = text.split(".");
    const claims = json(payload);
    if (IS_ID.test(claims.id)) order.id = claims.id;
    if (text.length > LONGEST || rest.length || !(await isSigned(header, payload, signature, keys))) return order;
    return { ...order, ...read(claims), isForUs: await isForUs(claims, labels, install), isGood: order.id !== "" };
  } catch {
    return order;
  }
}

async function isSigned(header, payload, signature, keys) {
  const { alg, typ, kid, crit } = json(header);
  const jwk = keys.find((key) => key.kid === kid);
  if (alg !== "ES256" || typ !== "fr+jwt" || crit !== undefined || !kid || !jwk) return false;
  const { kty, crv, x, y } = jwk;
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, curve, false, ["verify"]);
  const signed = new TextEncoder().encode(`${header}.${payload}`);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, bytes(signature), signed);
}

function read(claims) {
  const number = (name) => {
    const value = claims[name];
    if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(name);
    return value;
  };
  const isCancel = claims.type === "CANCEL";
  if (!isCancel && claims.type !== "FORCE_REFRESH") throw new TypeError("type");
  const severity = ["normal", "high", "critical"].indexOf(claims.severity);
  if (severity < 0) throw new TypeError("severity");
  return {
    kind: isCancel ? 3 : severity,
    target: String(claims.manifest_hash),
    seq: number("seq"),
    deadline: number("deadline"),
    jitter: number("jitter_ms"),
    issued: number("issued_at"),
    expires: number("expires_at"),
  };
}

/** Whether the labels match, and this browser's place among all browsers is within the rollout. */
async function isForUs({ audience = {}, rollout = 100, manifest_hash: hash }, labels, install) {
  const isMeant = Object.entries(audience).every(([name, values]) => values.includes(labels[name]));
  if (!isMeant || rollout >= 100) return isMeant;
  const name = new TextEncoder().encode(`${hash.replace("sha256:", "")}:${install}`);
  const digest = await crypto.subtle.digest("SHA-256", name);
  return new DataView(digest).getUint32(0) % 100 < rollout;
}

const json = (part) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes(part)));

/** Decodes base64url without padding (RFC 4648, section 5). */
function bytes(text) {
  if (/[^\w-]/.test(text)) throw new TypeError("base64url");
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
}
