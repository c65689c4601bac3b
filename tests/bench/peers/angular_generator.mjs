// Angular's generator with the system's SHA-1, as `ng build` calls it (angular-cli,
// packages/angular/build/src/utils/service-worker.ts): node angular_generator.mjs DIR CONFIG
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile, readdir, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(new URL("../../npm/package.json", import.meta.url));
const { Generator } = await import(pathToFileURL(require.resolve("@angular/service-worker/config")).href);
const [, , root, config] = process.argv;

const filesystem = {
  read: (path) => readFile(join(root, path), "utf8"),
  hash: async (path) => createHash("sha1").update(await readFile(join(root, path))).digest("hex"),
  write: () => Promise.reject(new Error("nothing is written")),
  async list(folder) {
    const files = [];
    const folders = [folder];
    for (const current of folders) {
      for (const name of await readdir(join(root, current))) {
        const path = `${current === "/" ? "" : current}/${name}`;
        ((await stat(join(root, path))).isDirectory() ? folders : files).push(path);
      }
    }
    return files;
  },
};

const control = await new Generator(filesystem, "/").process(JSON.parse(readFileSync(config, "utf8")));
process.stdout.write(JSON.stringify(control, null, 2));
