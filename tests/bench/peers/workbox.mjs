// workbox-build's list of a folder, as JSON on stdout: node workbox.mjs DIR
import { createRequire } from "node:module";

const require = createRequire(new URL("../../npm/package.json", import.meta.url));
const { getManifest } = require("workbox-build");

const { manifestEntries, warnings } = await getManifest({ globDirectory: process.argv[2], globPatterns: ["**/*"] });
if (warnings.length > 0) throw new Error(warnings.join("\n"));
process.stdout.write(JSON.stringify(manifestEntries));
