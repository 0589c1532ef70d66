import type { Server, ServerOptions } from "socket.io";
import { readOptions } from "../seam/socket-io.ts";
import type { Parser } from "../seam/socket-io-inside.ts";

/** What becomes of one option of `new Server()` under Sluice. */
interface OptionRow {
  /** What is refused at start; without it the option is honoured. */
  readonly refuses?: (value: unknown) => boolean;
  readonly text: string;
}

const given = (value: unknown) => value !== undefined;
const switchedOn = (value: unknown) => Boolean(value);

/** Every option of a Socket.IO server: what is kept of it, and what is refused, with why. */
export const SERVER_OPTIONS = {
  path: { text: "The endpoint is at this path." },
  addTrailingSlash: { text: "With false the endpoint's path ends without a slash." },
  serveClient: { text: "The client bundles and their maps are served below the path." },
  adapter: { text: "Cluster adapters stay in use; local delivery is native." },
  parser: {
    refuses: (value) => given(value) && !speaksKnownCodec(value),
    text: "Clients choose between msgpack and JSON; another wire format cannot be served",
  },
  connectTimeout: { text: "Who joins no namespace in this time is closed." },
  connectionStateRecovery: { text: "Sessions are recovered, after native broadcasts too." },
  cleanupEmptyChildNamespaces: { text: "Empty child namespaces are removed." },
  pingTimeout: { text: "Wins over `socket.pingTimeoutMs`." },
  pingInterval: { text: "Wins over `socket.pingIntervalMs`." },
  upgradeTimeout: { text: "Wins over `socket.upgradeTimeoutMs`." },
  maxHttpBufferSize: { text: "Wins over `socket.packetBytesMax`." },
  allowRequest: { text: "Decides on every handshake." },
  transports: {
    refuses: (value) => Array.isArray(value) && value.includes("webtransport"),
    text: "Clients connect by polling or websocket; there is no webtransport here",
  },
  allowUpgrades: { text: "With false no upgrade is offered." },
  perMessageDeflate: {
    refuses: switchedOn,
    text: "A broadcast is written once for all, uncompressed: WebSockets are not deflated",
  },
  httpCompression: { text: "Long-polling answers above its threshold are compressed." },
  wsEngine: { refuses: given, text: "The WebSocket server is uWebSockets.js" },
  initialPacket: { text: "It is sent right after the handshake." },
  cookie: { text: "The cookie is set by the handshake." },
  cors: { text: "The headers are those of the package cors, for the client bundles too." },
  allowEIO3: { text: "Wins over `socket.allowEio3`." },
  destroyUpgrade: {
    refuses: given,
    text: "Upgrades to other paths are answered by the app's own routes",
  },
  destroyUpgradeTimeout: {
    refuses: given,
    text: "Upgrades to other paths are answered by the app's own routes",
  },
} as const satisfies Record<keyof ServerOptions, OptionRow>;

/** Throws one sentence for each option of the server that cannot be honoured. */
export function checkOptions(io: Server): void {
  const options = readOptions(io);
  const rows: [string, OptionRow][] = Object.entries(SERVER_OPTIONS);
  const refused = rows.filter(([name, { refuses }]) => refuses?.(options[name]));
  if (refused.length === 0) return;
  throw new Error(refused.map(([name, { text }]) => `option ${name}: ${text}.`).join(" "));
}

/** Whether a parser writes what one of the two codecs writes. */
function speaksKnownCodec(value: unknown): boolean {
  try {
    const { Encoder } = value as Parser; // what is none throws, here or below
    const encoder = new Encoder() as { encode(packet: object): unknown[] };
    const [frame] = encoder.encode({ type: 2, nsp: "/", data: ["x"] });
    if (Buffer.isBuffer(frame)) return (frame[0] ?? 0) >> 4 === 8; // a short map of msgpack
    return frame === '2["x"]';
  } catch {
    return false;
  }
}
