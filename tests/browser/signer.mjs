// Signs orders as their publisher does, by npm jose.

const { SignJWT, exportJWK, generateKeyPair, calculateJwkThumbprint } = await import(
  new URL("../npm/node_modules/jose/dist/webapi/index.js", import.meta.url)
);

/** A signing key and its public half, as the hub's operator has them. */
export async function signer() {
  const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const sign = (changes = {}, header = {}) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      type: "FORCE_REFRESH", id: ulid(), seq: 1, severity: "critical", deadline: 60, jitter_ms: 0, audience: {},
      rollout: 100, issued_at: now, expires_at: now + 3600, ...changes,
    };
    return new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid, typ: "fr+jwt", ...header }).sign(privateKey);
  };
  return { sign, keys: [{ ...jwk, kid }] };
}

const ulid = () => Array.from({ length: 26 }, () => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[Math.floor(Math.random() * 32)]).join("");
