// @serwist/build's list of a folder, as JSON on stdout: node serwist.mjs DIR
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../npm/package.json", import.meta.url));
const { getManifest } = await import(pathToFileURL(require.resolve("@serwist/build")).href);

const { manifestEntries, warnings } = await getManifest({ globDirectory: process.argv[2], globPatterns: ["**/*"] });
if (warnings.length > 0) throw new Error(warnings.join("\n"));
process.stdout.write(JSON.stringify(manifestEntries));
