// What survives a reload: the tab's memory (session storage) and the browser's (local storage).
//
// Either storage may be barred. Then the tab remembers nothing, `canRemember` is false, and nothing reloads by itself.

const TAB = "slipway.tab";
const RELOADS = "slipway.reloads";
const LIMIT = 16;

const attempt = (action, other) => {
  try {
    return action();
  } catch {
    return other;
  }
};

const read = (storage, key, empty) => attempt(() => ({ ...empty, ...JSON.parse(storage().getItem(key)) }), empty);
const write = (storage, key, value) =>
  attempt(() => {
    storage().setItem(key, JSON.stringify(value));
    return true;
  }, false);

const session = () => sessionStorage;
const local = () => localStorage;
const latest = (list, value) => [...list, value].slice(-LIMIT);
const random = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const tab = read(session, TAB, { client: random(), reloaded: [], done: [], epoch: "", seq: 0, awaited: "" });
const browser = read(local, RELOADS, { install: random(), times: [] });
const save = () => write(session, TAB, tab);

/** The random name of this tab; it survives the reload, so that the hub sees the same client come back. */
export const { client } = tab;
/** The random name of this browser; it decides when its turn in a rollout is. */
export const { install } = browser;
/** The hash for which the page before this one reloaded. */
export const { awaited } = tab;

tab.awaited = "";
/** Whether the tab's memory can be written. */
export const canRemember = save();
write(local, RELOADS, browser);

/** Tells the machine everything that is remembered: kinds 0 hash reloaded for, 1 order done, 2 time, 3 epoch. */
export function remind(tell) {
  tab.reloaded.forEach((hash) => tell(0, hash, 0));
  tab.done.forEach((id) => tell(1, id, 0));
  browser.times.forEach((time) => tell(2, "", time));
  tell(3, tab.epoch, tab.seq);
}

/** Notes that this tab reloads by itself, for this hash; false if it could not. */
export function noteReload(hash) {
  tab.reloaded = latest(tab.reloaded, hash);
  browser.times = latest(browser.times, Date.now());
  write(local, RELOADS, browser);
  return save();
}

export function noteDone(id) {
  tab.done = latest(tab.done, id);
  save();
}

export function noteSeq(epoch, seq) {
  Object.assign(tab, { epoch, seq });
  save();
}

/** Notes for the next page which hash it should run. */
export function expect(hash) {
  tab.awaited = hash;
  save();
}
