// Programs at work for a stage of the demo: started by the testbed, and gone with this process.

import { execFileSync, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { Mismatch } from "./ledger.mjs";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");

const children = [];

export const say = (text) => process.stdout.write(`${text}\n`);
export const program = (name) => join(TARGET, "debug", name);

/** Starts a program by the testbed, which ends it with this process, and waits for the line that tells its readiness. */
export async function start(words, environment = {}) {
  const child = spawn(program("testbed"), words, { env: { ...process.env, ...environment }, stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  for await (const line of createInterface(child.stdout)) return { child, ready: JSON.parse(line) };
  throw new Error(`testbed ${words.join(" ")} ended before it was ready`);
}

/** Ends it, and waits until it is gone. */
export function end({ child }) {
  const gone = new Promise((resolve) => child.on("exit", resolve));
  child.stdin.end();
  return gone;
}

/** Runs a command to its end; its exit code, messages and last object. `seen` gets every object as it comes. */
export async function run(command, words, environment, seen = () => {}) {
  const child = spawn(command, words, { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let messages = "";
  child.stderr.on("data", (text) => (messages += text));
  const code = new Promise((resolve) => child.on("close", resolve));
  let last = {};
  for await (const line of createInterface(child.stdout)) {
    last = JSON.parse(line);
    seen(last);
  }
  return { exit: await code, messages, ...last };
}

/** A program of the newest PostgreSQL: Debian keeps most of them out of the path. */
export function ofPostgres(name) {
  const versions = readdirSync("/usr/lib/postgresql").sort((one, other) => Number(other) - Number(one));
  return `/usr/lib/postgresql/${versions[0]}/bin/${name}`;
}

export const sql = (url, text) => execFileSync("psql", ["-X", "-v", "ON_ERROR_STOP=1", "-qAtc", text, url], { encoding: "utf8" }).trim();

/** Ends what was started; the testbed would do so too, a moment later. */
function leave(code) {
  for (const child of children) child.stdin?.end();
  process.exitCode = code;
  Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? new Promise((resolve) => child.on("exit", resolve)))).then(() => process.exit(code));
}

/** Runs a stage: 1 when a witness reports something else than expected, 3 when something broke. */
export async function stage(title, work) {
  process.on("SIGINT", () => leave(130));
  process.on("SIGTERM", () => leave(143));
  process.stdout.on("error", () => leave(0));
  try {
    say(`\n${title}\n`);
    await work();
    leave(0);
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Mismatch ? error.message : (error.stack ?? error)}\n`);
    leave(error instanceof Mismatch ? 1 : 3);
  }
}
