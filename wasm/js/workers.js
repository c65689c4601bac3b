// The service worker registration: registers, looks for updates, and reports snapshots. A snapshot says what is there
// now, so that a missed event does no harm.

/** The actions on service workers. */
export function workers({ worker: script }, tell) {
  const container = navigator.serviceWorker;
  if (!container) {
    // Without workers a plain reload brings the new version.
    return { updateWorker: (number) => tell("updateDone", number), skipWaiting() {} };
  }
  let registration;
  const snapshot = () =>
    (registration?.installing ? 1 : 0) + (registration?.waiting ? 2 : 0) + (registration?.active ? 4 : 0);
  const report = () => tell("workers", snapshot());
  const follow = (worker) =>
    worker?.addEventListener("statechange", () =>
      tell(worker.state === "redundant" ? "workerRedundant" : "workers", snapshot()),
    );
  const registered = container.register(script, { updateViaCache: "none" }).then((found) => {
    registration = found;
    follow(found.installing);
    follow(found.waiting);
    found.addEventListener("updatefound", () => {
      follow(found.installing);
      report();
    });
    report();
  });
  registered.catch(() => tell("workerBarred"));
  container.addEventListener("controllerchange", () => {
    report();
    tell("controllerChanged");
  });
  return {
    async updateWorker(number) {
      try {
        await registered;
        await registration.update();
      } catch {
        return tell("updateFailed", number);
      }
      report();
      tell("updateDone", number);
    },
    skipWaiting: () => registration?.waiting?.postMessage({ type: "SKIP_WAITING" }),
  };
}
