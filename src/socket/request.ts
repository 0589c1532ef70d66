import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import type { EngineRequest } from "./engine-io.ts";
import { SafeResponse } from "./response.ts";

/**
 * Copies all of a request, because uWebSockets.js takes it back when the handler returns.
 *
 * `url` carries the query string and the address is readable, as they are on Node.js' http server.
 */
export function readRequest(
  req: HttpRequest,
  res: HttpResponse,
  encrypted: boolean,
): EngineRequest {
  const query = req.getQuery();
  const headers: Record<string, string> = {};
  req.forEach((key, value) => {
    const before = headers[key]; // for the name "constructor" no text, but what every object has
    const between = key === "cookie" ? "; " : ", "; // as Node.js joins what came in several
    headers[key] = typeof before === "string" ? before + between + value : value;
  });
  return {
    method: req.getMethod().toUpperCase(),
    url: query ? `${req.getUrl()}?${query}` : req.getUrl(),
    headers,
    connection: {
      remoteAddress: readAddress(res.getRemoteAddress()),
      proxiedAddress: readAddress(res.getProxiedRemoteAddress()),
      encrypted,
    },
    _query: Object.fromEntries(new URLSearchParams(query)),
    res: new SafeResponse(res),
  };
}

/** Returns an address of 4 or 16 bytes in its usual notation; IPv4 in IPv6 as IPv4. */
export function readAddress(bytes: ArrayBuffer): string {
  const octets = new Uint8Array(bytes);
  if (octets.length === 4) return octets.join(".");
  if (octets.length !== 16) return "";
  const mapped = octets.subarray(0, 12).every((octet, at) => octet === (at < 10 ? 0 : 0xff));
  if (mapped) return octets.subarray(12).join(".");
  const words: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    words.push((((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0)).toString(16));
  }
  // The URL parser writes the canonical short form (RFC 5952).
  return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1);
}

/** Whether a request asks for a new connection. Engine.IO takes an empty `sid` for none. */
export function namesNoSession(query: Readonly<Record<string, string>>): boolean {
  return !query.sid;
}

/**
 * Whether a request asks for a WebSocket in a version that is spoken (RFC 6455, section 4.2.1);
 * uWebSockets.js itself looks at the key alone. Version 8 differs in the name of a header only.
 */
export function asksForWebSocket({ headers }: Pick<EngineRequest, "headers">): boolean {
  const { connection = "", upgrade = "" } = headers;
  const version = headers["sec-websocket-version"] ?? "";
  const asks = upgrade.toLowerCase() === "websocket" && /\bupgrade\b/i.test(connection);
  return asks && (version === "13" || version === "8");
}

/**
 * Whether a request says in two ways where it ends (RFC 9112, section 6.3): a proxy may go by one,
 * uWebSockets.js by the other, and what lies between would be taken for a request of its own.
 */
export function isAmbiguous(headers: Readonly<Record<string, string>>): boolean {
  const { "content-length": length, "transfer-encoding": coding } = headers;
  if (coding !== undefined) return length !== undefined || coding.toLowerCase() !== "chunked";
  return length?.includes(",") ?? false;
}
