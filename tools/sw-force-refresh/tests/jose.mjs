// Signs and verifies with the npm package `jose`, for tests/interop.rs. Arguments: the folder of node_modules, then
//   verify PUBLIC.jwk   a compact JWS from stdin; prints header and payload
//   sign PRIVATE.jwk    a payload from stdin; prints the compact JWS
//   thumbprint PUBLIC.jwk
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, action, keyFile] = process.argv.slice(2);
const entry = createRequire(`${modules}/package.json`).resolve('jose');
const { CompactSign, calculateJwkThumbprint, compactVerify, importJWK } = await import(pathToFileURL(entry));

const jwk = JSON.parse(readFileSync(keyFile, 'utf8'));
const input = action === 'thumbprint' ? '' : readFileSync(0, 'utf8').trim();
if (action === 'verify') {
  const { protectedHeader, payload } = await compactVerify(input, await importJWK(jwk, 'ES256'), {
    algorithms: ['ES256'],
  });
  console.log(JSON.stringify({ header: protectedHeader, payload: JSON.parse(new TextDecoder().decode(payload)) }));
} else if (action === 'sign') {
  const header = { alg: 'ES256', kid: jwk.kid, typ: 'fr+jwt' };
  const signer = new CompactSign(new TextEncoder().encode(input)).setProtectedHeader(header);
  console.log(await signer.sign(await importJWK(jwk, 'ES256')));
} else {
  console.log(await calculateJwkThumbprint(jwk));
}
