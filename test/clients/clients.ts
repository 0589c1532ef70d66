import { inChromium, inNode, inPython, type Made } from "./make.ts";
import { inGo, inJava, inRust } from "./native.ts";
import { REFUSAL, ROWS } from "./rows.ts";

/** A client under test. */
export interface Client {
  /** How the table calls it. */
  readonly title: string;
  /** Installs and builds what it needs. */
  make(): Promise<Made>;
  /** What its gateway is given beside the settings of all. */
  readonly flags?: readonly string[];
  /** Rows that it does not offer, and why. */
  readonly lacks?: Readonly<Record<string, string>>;
  /** Rows that fail with it, on every server of Socket.IO, and why. */
  readonly faults?: Readonly<Record<string, string>>;
  /** Reasons other than the usual for which the gateway may end its connections, and why. */
  readonly closes?: Readonly<Record<string, string>>;
  /** Its rows; all of them unless it says otherwise. */
  readonly rows?: readonly string[];
}

const JAVASCRIPT = "test/clients/javascript/program.ts";
const BUN = ["node_modules/.bin/bun", JAVASCRIPT, "socket.io-client"];
const ONE_BYTE_STRING = "an event carries one byte string and nothing else, or no bytes";
const OPEN_POLL = "it sends nothing while a poll is open, which is 25 seconds by default";
const ENDS_POLLING = "its program ends while a poll is open";
const STRAY = "it sends a packet for a namespace that it is not in";
const DENO = ["node_modules/.bin/deno", "run", "--quiet", "--allow-all", "--no-lock"];

/** Every client, by its name on the command line. */
export const CLIENTS: Readonly<Record<string, Client>> = {
  // The longest builds first, so that other clients run meanwhile.
  rust: {
    title: "rust_socketio",
    make: inRust,
    lacks: {
      "ack-to-client": "an application cannot acknowledge an event",
      "binary-to-server": ONE_BYTE_STRING,
      "binary-to-client": ONE_BYTE_STRING,
      "binary-polling": ONE_BYTE_STRING,
      "rooms-binary": ONE_BYTE_STRING,
    },
    closes: { transport_error: ENDS_POLLING, stray_packet: STRAY },
  },
  go: {
    title: "zishang520/socket.io, Go",
    make: inGo,
    lacks: { upgrade: `${OPEN_POLL}; use WebSocket alone` },
    closes: { transport_error: ENDS_POLLING, stray_packet: STRAY },
    faults: {
      polling: OPEN_POLL,
      "binary-polling": OPEN_POLL,
      "namespace-refused":
        "for a refusal without data, as by a namespace that does not exist, the application gets " +
        "`missing 'data' field` and not the message",
    },
  },
  java: {
    title: "io.socket:socket.io-client, Java",
    make: inJava,
    faults: {
      "reconnect-after-close":
        "it does not notice that the server closes the WebSocket. It connects again when pings " +
        "are missing, after `socket.pingIntervalMs` + `socket.pingTimeoutMs` (45 seconds)",
    },
  },
  "socket.io-client-2": {
    title: "socket.io-client 2",
    make: inNode("socket.io-client-2", "--refused"),
    rows: [REFUSAL],
  },
  "socket.io-client-2-allowed": {
    title: "socket.io-client 2, with `socket.allowEio3`",
    make: inNode("socket.io-client-2"),
    flags: ["--socket.allowEio3", "true", "--auth.tokenFrom", "auth,query"],
  },
  "socket.io-client-3": { title: "socket.io-client 3", make: inNode("socket.io-client-3") },
  "socket.io-client-4.0": { title: "socket.io-client 4.0", make: inNode("socket.io-client-4.0") },
  "socket.io-client-4.8": { title: "socket.io-client 4.8", make: inNode("socket.io-client") },
  "socket.io-client-4.8-msgpack": {
    title: "socket.io-client 4.8, msgpack",
    make: inNode("socket.io-client", "--msgpack"),
  },
  bun: { title: "socket.io-client 4.8 in Bun", make: async () => ({ command: BUN }) },
  deno: {
    title: "socket.io-client 4.8 in Deno",
    make: async () => ({ command: [...DENO, JAVASCRIPT, "socket.io-client"] }),
  },
  chromium: { title: "socket.io.min.js in Chromium", make: inChromium("socket.io.min.js") },
  "chromium-msgpack": {
    title: "socket.io.msgpack.min.js in Chromium",
    make: inChromium("socket.io.msgpack.min.js"),
  },
  "python-socketio": { title: "python-socketio, Client", make: inPython() },
  "python-socketio-asyncio": {
    title: "python-socketio, AsyncClient",
    make: inPython("asyncio"),
  },
  "python-socketio-msgpack": {
    title: "python-socketio, Client, msgpack",
    make: inPython("msgpack"),
  },
};

/** Returns the rows that a client is asked for. */
export function rowsOf({ rows }: Client): readonly string[] {
  return rows ?? Object.keys(ROWS);
}
