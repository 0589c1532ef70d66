import { randomBytes } from "node:crypto";
import { isIPv6 } from "node:net";
import { parseHead } from "../../test/harness/wire-http.ts";
import { acceptOf, formatUpgrade } from "../../test/harness/wire-ws.ts";

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
const BROWSER_HEADERS = {
  pragma: "no-cache",
  "cache-control": "no-cache",
  "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130",
  "accept-encoding": "gzip, deflate, br, zstd",
  "accept-language": "en-US,en;q=0.9",
};

/**
 * Returns the upgrade request (RFC 6455, 4.1) and the `sec-websocket-accept` it must be answered
 * with.
 */
export function makeUpgrade(target: Target): { request: Buffer; accept: string } {
  const key = randomBytes(16).toString("base64");
  const query = `EIO=4&transport=websocket${target.query ? `&${target.query}` : ""}`;
  const host = `${isIPv6(target.host) ? `[${target.host}]` : target.host}:${target.port}`;
  const request = formatUpgrade(`${target.path}?${query}`, {
    host,
    origin: `${target.secure ? "https" : "http"}://${host}`,
    "sec-websocket-key": key,
    ...BROWSER_HEADERS,
  });
  return { request, accept: acceptOf(key) };
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
  const { status, headers } = parseHead(head);
  if (status !== 101) throw new Error(`the upgrade was answered with ${head.split("\r\n", 1)[0]}`);
  if (headers["sec-websocket-accept"] !== accept)
    throw new Error("the upgrade was answered with a wrong sec-websocket-accept");
  return end + 4;
}
