// The helper's side of the page: the browser's callbacks become events, actions are carried out, nothing is decided.
//
// The decisions are those of the state machine in WebAssembly (wasm/src/machine). Events wait in a queue, so that the
// machine sees one after the other even when the application calls back while an action is carried out.

import init, { begin, deliver, order, remind } from "slipway-machine";
import { ACTIONS, EVENTS, FAULTS, PHASES, TOASTS } from "./codes.js";
import { connection } from "./connection.js";
import * as memory from "./memory.js";
import { hashNumber, name, number } from "./names.js";
import { readOptions } from "./options.js";
import { showToast } from "./toast.js";
import { workers } from "./workers.js";

/** Loads the WebAssembly module that lies beside this file, or the one given. */
export default (given) => init(given ?? { module_or_path: new URL("slipway_update_bg.wasm", import.meta.url) });

/** Begins the work in this page; see docs/wasm.md. */
export function start(given) {
  const options = readOptions(given);
  const queue = [];
  const timers = [];
  let isBusy = false;
  const running = hashNumber(options.running);
  let state = { phase: "idle", running: name(running) || null, target: null, fault: null };

  const work = (job) => {
    queue.push(job);
    if (isBusy) return;
    isBusy = true;
    while (queue.length) queue.shift()();
    isBusy = false;
  };
  const random = () => Math.random() * 2 ** 32;
  const tell = (event, count = 0, name = 0) =>
    work(() => deliver(EVENTS.indexOf(event), count, name, Date.now(), random()));
  const obey = ({ kind, id, target, seq, deadline, jitter, issued, expires, isForUs }) =>
    work(() => order(kind, number(id), hashNumber(target), seq, deadline, jitter, issued, expires, isForUs, Date.now(), random()));

  const registration = workers(options, tell);
  const hub = connection(options, tell, obey);
  const reload = (target) => {
    memory.expect(name(target));
    location.reload();
  };
  const perform = {
    ...registration,
    ...hub,
    async fetchVersion(check) {
      // Only status 200 with JSON counts: a server that answers every path with its page has no version file.
      let hash = "";
      try {
        const response = await fetch(options.version, { cache: "no-store" });
        if (response.status === 200) hash = String((await response.json()).manifest_hash);
      } catch {}
      tell("version", check, hashNumber(hash));
    },
    async flush() {
      try {
        await options.flush?.();
      } catch {
        return tell("flushFailed");
      }
      tell("flushed");
    },
    reload: (_, target) => reload(target),
    noteAndReload: (_, target) => (memory.noteReload(name(target)) ? reload(target) : tell("memoryBarred")),
    noteDone: (_, id) => memory.noteDone(name(id)),
    noteSeq: (seq, epoch) => memory.noteSeq(name(epoch), seq),
    setTimer(after, timer) {
      clearTimeout(timers[timer]);
      // Browsers read the time as a signed number of 32 bits; a longer one would fire at once.
      timers[timer] = setTimeout(() => tell("timer", timer), Math.min(after, 2 ** 31 - 1));
    },
    dropTimer: (_, timer) => clearTimeout(timers[timer]),
    show(bits, target) {
      state = { ...state, phase: PHASES[bits & 15], target: name(target) || null, fault: FAULTS[bits >> 8] || null };
      showToast(TOASTS[(bits >> 4) & 15], options.given, () => tell("clicked"), () => tell("dismissed"));
      options.report?.({ ...state });
    },
  };

  // An error must not fly through the machine, which could not go on; the application's own belong to the application.
  const obeyed = (code, count, name) => {
    try {
      perform[ACTIONS[code]](count, name);
    } catch (error) {
      console.error(error);
    }
  };
  begin({ perform: obeyed }, running, options.interval,
    document.hidden, memory.canRemember);
  memory.remind((kind, text, count) => remind(kind, kind ? number(text) : hashNumber(text), count));
  document.addEventListener("visibilitychange", () => tell("hidden", +document.hidden));
  addEventListener("pageshow", (event) => event.persisted && tell("checkDue"));
  addEventListener("online", () => tell("checkDue"));
  tell("started", +Boolean(options.socket), hashNumber(memory.awaited));
  return {
    applyUpdate: () => tell("clicked"),
    checkForUpdate: () => tell("checkAsked"),
    state: () => ({ ...state }),
  };
}
