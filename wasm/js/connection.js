// The WebSocket to the hub: frames of `sw-force-refresh.v1` in both directions.

import { ACK_STATES, WHYS } from "./codes.js";
import * as memory from "./memory.js";
import { hashNumber, name, number } from "./names.js";
import { readOrder } from "./orders.js";

/** The actions on the connection. */
export function connection(options, tell, obey) {
  let socket;
  const take = async (text) => {
    if (!text) return;
    const order = await readOrder(text, options.keys, options.labels, memory.install);
    if (order.isGood && (order.kind === 3 || hashNumber(order.target))) obey(order);
    // An answer needs an id that the hub can read.
    else if (order.id) tell("forged", 0, number(order.id));
  };
  const frames = {
    welcome({ epoch, hb, event }) {
      tell("welcome", hb, number(String(epoch)));
      take(event);
    },
    event: ({ jws }) => take(jws),
    ping: () => tell("ping"),
    drain: ({ after_ms: after }) => tell("drain", after),
  };
  const receive = ({ data }) => {
    try {
      const frame = JSON.parse(data);
      if (Object.hasOwn(frames, frame.t)) frames[frame.t](frame);
    } catch {}
  };
  const send = (frame) => socket?.readyState === 1 && socket.send(JSON.stringify(frame));
  const disconnect = () => {
    const old = socket;
    socket = undefined;
    old?.close();
  };
  return {
    disconnect,
    connect() {
      disconnect();
      let opened;
      try {
        opened = new WebSocket(options.socket, "sw-force-refresh.v1");
      } catch {
        // A page's policy may forbid the address; another attempt later does no harm.
        return tell("closed");
      }
      socket = opened;
      // A socket that was given up has nothing to say any more.
      const on = (name, listen) => opened.addEventListener(name, (event) => opened === socket && listen(event));
      on("open", () => tell("opened"));
      on("message", receive);
      on("close", ({ code }) => {
        socket = undefined;
        tell("closed", code);
      });
    },
    hello(seq, epoch) {
      const { controller } = navigator.serviceWorker ?? {};
      const sw = controller ? "controlled" : controller === null ? "none" : "unsupported";
      const { client, install } = memory;
      const { running: hash, labels } = options;
      send({ t: "hello", v: 1, client, install, hash, labels, sw, last: { epoch: name(epoch), seq } });
    },
    pong: () => send({ t: "pong" }),
    ack(bits, id) {
      send({ t: "ack", id: name(id), state: ACK_STATES[bits & 15], why: WHYS[bits >> 4] || undefined });
    },
  };
}
