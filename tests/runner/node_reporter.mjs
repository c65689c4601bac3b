// Reports each test of node:test as one JSON line (https://nodejs.org/api/test.html#custom-reporters).

/** @param {AsyncIterable<{type: string, data: any}>} source */
export default async function* report(source) {
  for await (const { type, data } of source) {
    if ((type !== "test:pass" && type !== "test:fail") || data.details.type === "suite") continue;
    const error = data.details.error;
    const test = {
      name: data.name,
      file: data.file,
      passed: type === "test:pass" || data.todo !== undefined,
      skipped: data.skip !== undefined,
      seconds: data.details.duration_ms / 1000,
      output: error ? `${error.cause?.stack ?? error.stack ?? error}` : "",
    };
    yield `${JSON.stringify(test)}\n`;
  }
}
