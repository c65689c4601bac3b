// The numbers of events and actions at the boundary to WebAssembly; a test in wasm/src/codes.rs compares them.

export const EVENTS = [
  "started", "checkAsked", "checkDue", "version", "updateDone", "updateFailed", "workers", "workerRedundant",
  "workerBarred", "controllerChanged", "clicked", "dismissed", "flushed", "flushFailed", "hidden", "timer", "forged",
  "memoryBarred", "opened", "welcome", "ping", "drain", "closed",
];

export const ACTIONS = [
  "fetchVersion", "updateWorker", "skipWaiting", "flush", "reload", "noteAndReload", "noteDone", "noteSeq", "setTimer",
  "dropTimer", "show", "connect", "disconnect", "hello", "pong", "ack",
];

export const PHASES = ["idle", "checking", "installing", "ready", "applying", "reloading", "failed"];

export const TOASTS = ["", "ready", "ordered", "applying", "failed"];

export const FAULTS = ["", "install", "flush", "activate", "reload"];

export const ACK_STATES = ["received", "deferred", "updating", "failed", "refused", "skipped"];

export const WHYS = ["", "bad_signature", "expired", "not_served", "budget", "user_busy", "sw_error"];
