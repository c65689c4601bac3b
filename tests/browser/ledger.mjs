// The demo's ledger: a line is written only when what its witness reports is what was expected.

import { isDeepStrictEqual } from "node:util";

/** The witness reports something else than expected. */
export class Mismatch extends Error {}

export class Ledger {
  rows = [];
  #write;
  #clock;
  #began;
  #witness;

  constructor(write, clock = () => performance.now(), witness = "the browser") {
    this.#write = write;
    this.#clock = clock;
    this.#witness = witness;
    this.#began = clock();
  }

  /** Begins a stage; `expect` ends it. */
  begin() {
    this.#began = this.#clock();
  }

  /** Compares member by member, and writes the line only if all are equal. */
  expect(text, reported, expected) {
    const wrong = Object.keys(expected).filter((name) => !isDeepStrictEqual(reported[name], expected[name]));
    if (wrong.length > 0) {
      const show = (value) => JSON.stringify(value) ?? "nothing";
      const lines = wrong.map((name) => `  ${name}: expected ${show(expected[name])}, ${this.#witness} reports ${show(reported[name])}`);
      throw new Mismatch(`not true: ${text}\n${lines.join("\n")}`);
    }
    const seconds = (this.#clock() - this.#began) / 1000;
    this.rows.push({ text, seconds });
    this.#write(`  ${text}`);
    this.begin();
  }

  /** The table of all lines, with how long each stage took. */
  table() {
    const width = Math.max(...this.rows.map(({ text }) => text.length));
    return this.rows.map(({ text, seconds }) => `  ${text.padEnd(width)}  ${seconds.toFixed(1).padStart(5)} s`).join("\n");
  }
}
