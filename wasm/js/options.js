// What the application asks of the helper, with defaults; a value of the wrong type counts as absent.

/** The options in full. */
export function readOptions(given) {
  const options = Object(given);
  const of = (name, type, other) => (typeof options[name] === type ? options[name] : other);
  return {
    worker: of("serviceWorker", "string", "sw.js"),
    version: of("versionUrl", "string", "version.json"),
    running: of("runningHash", "string", document.querySelector("meta[name=manifest-hash]")?.content ?? ""),
    socket: socketAddress(of("socketUrl", "string", "")),
    keys: Array.isArray(options.publicKeys) ? options.publicKeys : [],
    labels: Object(options.labels),
    interval: of("checkEveryMs", "number", 15 * 60 * 1000),
    flush: of("onBeforeReload", "function"),
    report: of("onState", "function"),
    given: options,
  };
}

/** Orders travel encrypted; only to this same computer they may travel in the clear. */
function socketAddress(text) {
  if (!text) return "";
  try {
    const { href, protocol, hostname } = new URL(text, location.href);
    const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
    if (protocol === "wss:" || (protocol === "ws:" && isLocal)) return href;
  } catch {}
  console.error(`slipway_update: socketUrl must be wss: (ws: on this computer only), not ${text}`);
  return "";
}
