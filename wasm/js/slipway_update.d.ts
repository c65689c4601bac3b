/** The update helper; see docs/wasm.md. */

/** A public key as a JSON Web Key with its key id (RFC 7517). */
export interface PublicKey {
  kty: "EC";
  crv: "P-256";
  kid: string;
  x: string;
  y: string;
  [member: string]: unknown;
}

/** What the application sees of the update. */
export interface UpdateState {
  phase: "idle" | "checking" | "installing" | "ready" | "applying" | "reloading" | "failed";
  /** The hash of the build that this page runs, if it is known. */
  running: string | null;
  /** The hash of the version that an update leads to, if there is one and it is known. */
  target: string | null;
  /** What went wrong last: a worker that did not install or take over, a hook that failed, a reload in vain. */
  fault: "install" | "flush" | "activate" | "reload" | null;
}

/** A headline and a sentence. */
export type ToastText = [headline: string, sentence: string];

/** The texts of the toast; absent ones are those of the page's language. */
export interface ToastTexts {
  ready: ToastText;
  ordered: ToastText;
  applying: ToastText;
  failed: ToastText;
  /** Follows the sentence where the application has `onBeforeReload`. */
  kept: string;
  region: string;
  update: string;
  now: string;
  again: string;
  later: string;
}

export interface Options {
  /** The service worker's script; default `sw.js`. */
  serviceWorker?: string;
  /** The file that says which hash the origin serves; default `version.json`. */
  versionUrl?: string;
  /** The hash of the build that this page runs; default the page's `<meta name="manifest-hash">`. */
  runningHash?: string;
  /** The hub's WebSocket; `wss:`, or `ws:` on this computer. Without it no orders are followed. */
  socketUrl?: string;
  /** The keys that may sign orders. */
  publicKeys?: PublicKey[];
  /** What an order's audience is compared with, such as `{ tenant: "a" }`. */
  labels?: Record<string, string>;
  /** Time between two regular checks in milliseconds; default a quarter of an hour. */
  checkEveryMs?: number;
  /** The language of the toast; default that of the document, else of the browser. */
  language?: string;
  texts?: Partial<ToastTexts>;
  /** `false` shows no toast: the application has its own and calls `applyUpdate`. */
  toast?: false;
  /** Saves what the user has typed. A user's update does not happen when it fails or takes ten seconds. */
  onBeforeReload?: () => void | Promise<void>;
  /** Called at every change. */
  onState?: (state: UpdateState) => void;
}

export interface Helper {
  /** Applies the update if one is ready, as a click on the toast does. */
  applyUpdate(): void;
  /** Asks the origin now. */
  checkForUpdate(): void;
  state(): UpdateState;
}

/** Begins the work in this page; call it once, after `init`. */
export function start(options?: Options): Helper;

/** Loads the WebAssembly module that lies beside this file, or the one given. */
export default function init(module?: { module_or_path: RequestInfo | URL | BufferSource }): Promise<unknown>;
