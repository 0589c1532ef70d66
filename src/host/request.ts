import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import type { LeftOut } from "./headers.ts";
import { LazyEmitter } from "./lazy-emitter.ts";
import { RequestSocket } from "./request-socket.ts";
import { SafeResponse } from "./response.ts";

/**
 * Headers of which Node.js keeps the first, if they come twice. Two hosts or lengths are nobody's.
 */
const FIRST_ONLY = new Set([
  ...["age", "authorization", "content-type", "etag", "expires", "from", "if-modified-since"],
  ...["if-unmodified-since", "last-modified", "location", "max-forwards", "proxy-authorization"],
  ...["referer", "retry-after", "server", "user-agent"],
]);

/**
 * A request as handlers know it from Node.js' http server: the members of `http.IncomingMessage`
 * but its body, copied, because uWebSockets.js takes the request back when its handler returns.
 */
export class IncomingRequest extends LazyEmitter {
  readonly method: string;
  /** Path and query string. */
  url: string;
  readonly headers: Record<string, string> = {};
  readonly socket: RequestSocket;
  readonly _query: Record<string, string>;
  res: SafeResponse | null;
  /** Names and values in turn, if one of the names came twice. */
  readonly #repeated: readonly string[] | undefined;

  constructor(req: HttpRequest, res: HttpResponse, needs: RequestNeeds) {
    super();
    const query = req.getQuery();
    this.method = req.getMethod().toUpperCase();
    this.url = query ? `${req.getUrl()}?${query}` : req.getUrl();
    this.#repeated = readHeaders(req, this.headers);
    this._query = Object.fromEntries(new URLSearchParams(query));
    const address = readAddress(res.getRemoteAddress());
    const proxied = readAddress(res.getProxiedRemoteAddress());
    this.socket = new RequestSocket(address, proxied, needs.encrypted);
    this.res = new SafeResponse(res, this, needs.leftOut);
  }

  get connection(): RequestSocket {
    return this.socket;
  }

  get rawHeaders(): readonly string[] {
    return this.#repeated ?? Object.entries(this.headers).flat();
  }

  get headersDistinct(): Record<string, string[]> {
    const found: Record<string, string[]> = Object.create(null);
    const raw = this.rawHeaders;
    for (let at = 0; at < raw.length; at += 2) {
      const name = raw[at] ?? "";
      found[name] = [...(found[name] ?? []), raw[at + 1] ?? ""];
    }
    return found;
  }

  /** Ends the TCP connection. */
  destroy(): this {
    this.socket.destroy();
    return this;
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  get aborted(): boolean {
    return this.socket.destroyed;
  }

  get upgrade(): boolean {
    return asksForWebSocket(this);
  }

  setTimeout(): this {
    return this;
  }
}

// The same for every request: uWebSockets.js takes no other version, and none with trailers.
const ALWAYS = {
  ...{ httpVersion: "1.1", httpVersionMajor: 1, httpVersionMinor: 1, complete: true },
  ...{ trailers: {}, trailersDistinct: {}, rawTrailers: [], statusCode: null, statusMessage: null },
};
Object.assign(IncomingRequest.prototype, ALWAYS);

/** What reading a request needs to know. */
export interface RequestNeeds {
  readonly encrypted: boolean;
  readonly leftOut: LeftOut;
}

/**
 * Reads headers into `headers`, those that came in several joined as Node.js joins them; then it
 * also returns all of them as they came.
 */
function readHeaders(req: HttpRequest, headers: Record<string, string>): string[] | undefined {
  let all: string[] | undefined;
  req.forEach((name, value) => {
    // For the name "constructor" there is no text, but what every object has.
    const before = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (before !== undefined) all ??= Object.entries(headers).flat();
    all?.push(name, value);
    if (before === undefined) headers[name] = value;
    else if (!FIRST_ONLY.has(name))
      headers[name] = before + (name === "cookie" ? "; " : ", ") + value;
  });
  return all;
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
export function asksForWebSocket({ headers }: Pick<IncomingRequest, "headers">): boolean {
  const { connection = "", upgrade = "" } = headers;
  const version = headers["sec-websocket-version"] ?? "";
  const asks = upgrade.toLowerCase() === "websocket" && /\bupgrade\b/i.test(connection);
  return asks && (version === "13" || version === "8");
}

/**
 * Whether a request says in two ways, or in none that all agree on, where it ends (RFC 9112,
 * section
 * 6.3): a proxy may go by one, uWebSockets.js by the other, and what lies between would be taken
 * for a request of its own.
 */
export function isAmbiguous(headers: Readonly<Record<string, string>>): boolean {
  const { "content-length": length, "transfer-encoding": coding } = headers;
  if (coding !== undefined) return length !== undefined || coding.toLowerCase() !== "chunked";
  return length !== undefined && !/^\d+$/.test(length);
}
