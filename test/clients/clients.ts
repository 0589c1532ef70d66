import { inChromium, inNode, inPython, type Made } from "./make.ts";
import { REFUSAL, ROWS } from "./rows.ts";

/** A client under test. */
export interface Client {
  /** How the table calls it. */
  readonly title: string;
  /** Installs and builds what it needs. */
  make(): Promise<Made>;
  /** Rows that it does not offer, and why. */
  readonly lacks?: Readonly<Record<string, string>>;
  /** Its rows; all of them unless it says otherwise. */
  readonly rows?: readonly string[];
}

const JAVASCRIPT = "test/clients/javascript/program.ts";
const BUN = ["node_modules/.bin/bun", JAVASCRIPT, "socket.io-client"];
const DENO = ["node_modules/.bin/deno", "run", "--quiet", "--allow-all", "--no-lock"];

/** Every client, by its name on the command line. */
export const CLIENTS: Readonly<Record<string, Client>> = {
  "socket.io-client-2": {
    title: "socket.io-client 2",
    make: inNode("socket.io-client-2"),
    rows: [REFUSAL],
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
