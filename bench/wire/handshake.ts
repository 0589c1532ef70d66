import { createHash, randomBytes } from "node:crypto";
import { isIPv6 } from "node:net";

/** Where to connect and what to say there. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** Path of the Socket.IO endpoint, such as `/socket.io/`. */
  readonly path: string;
  /** More query parameters, each already encoded, such as `rooms=r`. */
  readonly query: string;
  /** Whether it is reached over TLS, which a browser tells in its origin. */
  readonly secure?: boolean;
}

/** The headers a browser sends along, because servers pay for every header they keep. */
const BROWSER_HEADERS = [
  "Pragma: no-cache",
  "Cache-Control: no-cache",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-US,en;q=0.9",
];

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/**
 * Returns the upgrade request (RFC 6455, 4.1) and the `sec-websocket-accept` it must be answered
 * with.
 */
export function makeUpgrade(target: Target): { request: string; accept: string } {
  const key = randomBytes(16).toString("base64");
  const query = `EIO=4&transport=websocket${target.query ? `&${target.query}` : ""}`;
  const host = `${isIPv6(target.host) ? `[${target.host}]` : target.host}:${target.port}`;
  const request = [
    `GET ${target.path}?${query} HTTP/1.1`,
    `Host: ${host}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    `Origin: ${target.secure ? "https" : "http"}://${host}`,
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${key}`,
    ...BROWSER_HEADERS,
    "\r\n",
  ].join("\r\n");
  const accept = createHash("sha1")
    .update(key + GUID)
    .digest("base64");
  return { request, accept };
}

/**
 * Reads the answer to an upgrade. Returns how many bytes it took, or 0 while it is incomplete;
 * throws what the server said if it refused.
 */
export function readUpgradeAnswer(bytes: Buffer, accept: string): number {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) {
    if (bytes.length > 65_536) throw new Error("the answer to the upgrade does not end");
    return 0;
  }
  const head = bytes.toString("latin1", 0, end);
  const status = head.slice(0, head.indexOf("\r\n") < 0 ? head.length : head.indexOf("\r\n"));
  if (!status.includes(" 101")) throw new Error(`the upgrade was answered with ${status}`);
  if (!head.toLowerCase().includes(`sec-websocket-accept: ${accept.toLowerCase()}`))
    throw new Error("the upgrade was answered with a wrong sec-websocket-accept");
  return end + 4;
}
