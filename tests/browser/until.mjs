// Waiting for an event that has no callback of its own, with a deadline.

/** How long a single step of a browser may take on a busy machine. */
export const STEP = { timeout: 30_000 };

/** Waits until `condition` holds, with a deadline. */
export async function until(condition, what) {
  const end = Date.now() + STEP.timeout;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
