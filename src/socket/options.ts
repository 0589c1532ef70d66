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
  path: { text: "Clients connect at this path." },
  addTrailingSlash: { text: "If false, the path ends without a slash." },
  serveClient: { text: "Sluice serves the client bundles and their source maps below the path." },
  adapter: {
    text: "Your adapter stays in use. Sluice replaces only how it delivers to the sockets of this process.",
  },
  parser: {
    refuses: (value) => given(value) && !speaksKnownCodec(value),
    text: "Clients use msgpack or JSON; Sluice supports no other wire format",
  },
  connectTimeout: { text: "A client that joins no namespace in this time is closed." },
  connectionStateRecovery: { text: "Sessions are recovered, with the broadcasts they missed." },
  cleanupEmptyChildNamespaces: { text: "Empty child namespaces are removed." },
  pingTimeout: { text: "Replaces `socket.pingTimeoutMs`." },
  pingInterval: { text: "Replaces `socket.pingIntervalMs`." },
  upgradeTimeout: { text: "Replaces `socket.upgradeTimeoutMs`." },
  maxHttpBufferSize: { text: "Replaces `socket.packetBytesMax`." },
  allowRequest: { text: "Called for each handshake; it decides." },
  transports: {
    refuses: (value) => Array.isArray(value) && value.includes("webtransport"),
    text: "Clients connect by polling or websocket; webtransport is not supported",
  },
  allowUpgrades: { text: "If false, no upgrade is offered." },
  perMessageDeflate: {
    refuses: switchedOn,
    text: "WebSocket compression is not supported: a broadcast is written once for all clients",
  },
  httpCompression: { text: "Responses to long-polling above its threshold are compressed." },
  wsEngine: { refuses: given, text: "The WebSocket server is always uWebSockets.js" },
  initialPacket: { text: "Sent right after the handshake." },
  cookie: { text: "Set by the handshake." },
  cors: { text: "Headers as the package cors makes them, for the client bundles too." },
  allowEIO3: { text: "Replaces `socket.allowEio3`." },
  destroyUpgrade: {
    refuses: given,
    text: "Requests to other paths, upgrades too, belong to the routes of your app",
  },
  destroyUpgradeTimeout: {
    refuses: given,
    text: "Requests to other paths, upgrades too, belong to the routes of your app",
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
