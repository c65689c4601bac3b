// Says what the built helper weighs on the wire, as one JSON line: `node wasm/js/sizes.mjs FOLDER`.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const brotli = (bytes) => {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return brotliCompressSync(bytes, { params }).length;
};

/** The sizes of module and glue in `folder`, in bytes. */
export function sizes(folder) {
  const sum = { raw_bytes: 0, gzip_bytes: 0, brotli_bytes: 0 };
  const report = { type: "summary" };
  for (const [key, name] of [["wasm", "slipway_update_bg.wasm"], ["glue", "slipway_update.js"]]) {
    const bytes = readFileSync(join(folder, name));
    const measured = { raw_bytes: bytes.length, gzip_bytes: gzipSync(bytes, { level: 9 }).length, brotli_bytes: brotli(bytes) };
    for (const unit of Object.keys(sum)) sum[unit] += measured[unit];
    report[key] = measured;
  }
  return { ...report, ...sum };
}

if (process.argv[1] === import.meta.filename) console.log(JSON.stringify(sizes(process.argv[2])));
