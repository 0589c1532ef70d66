import type { HttpRequest, HttpResponse } from "uWebSockets.js";
import type { LeftOut } from "./headers.ts";
import { LazyEmitter, RequestSocket } from "./request-socket.ts";
import { SafeResponse } from "./response.ts";

/**
 * Headers of which Node.js keeps only the first value if they are repeated. Node.js does so for
 * `host` and `content-length` too; here a repeated one is joined, so that no value is trusted.
 */
const FIRST_ONLY = new Set([
  ...["age", "authorization", "content-type", "etag", "expires", "from", "if-modified-since"],
  ...["if-unmodified-since", "last-modified", "location", "max-forwards", "proxy-authorization"],
  ...["referer", "retry-after", "server", "user-agent"],
]);

/**
 * A request with the members that handlers know from `http.IncomingMessage`, except the body.
 * Everything is copied, because the native request is no longer valid once the route handler
 * returns.
 */
export class IncomingRequest extends LazyEmitter {
  readonly method: string;
  /** Path and query string. */
  url: string;
  readonly headers: Record<string, string> = {};
  /** Characters of the names and values in `headers`, as they arrived. */
  readonly headerBytes: number;
  readonly socket: RequestSocket;
  readonly _query: Record<string, string>;
  res: SafeResponse | null;
  /** All names and values in turn, if a name was repeated; otherwise undefined. */
  readonly #repeated: readonly string[] | undefined;

  constructor(req: HttpRequest, res: HttpResponse, needs: RequestNeeds) {
    super();
    const query = req.getQuery();
    this.method = req.getMethod().toUpperCase();
    this.url = query ? `${req.getUrl()}?${query}` : req.getUrl();
    const { bytes, repeated } = readHeaders(req, this.headers);
    this.headerBytes = bytes;
    this.#repeated = repeated;
    this._query = readQuery(query);
    const address = formatAddress(res.getRemoteAddress());
    const proxied = needs.proxyProtocol ? formatAddress(res.getProxiedRemoteAddress()) : "";
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

// The same for every request: uWebSockets.js accepts HTTP/1.1 only, and no trailers.
const ALWAYS = {
  ...{ httpVersion: "1.1", httpVersionMajor: 1, httpVersionMinor: 1, complete: true },
  ...{ trailers: {}, trailersDistinct: {}, rawTrailers: [], statusCode: null, statusMessage: null },
};
Object.assign(IncomingRequest.prototype, ALWAYS);

/** What is the same for all requests of an app. */
export interface RequestNeeds {
  /** Whether the app speaks TLS. */
  readonly encrypted: boolean;
  /** Whether to read the address in the PROXY protocol header. */
  readonly proxyProtocol: boolean;
  readonly leftOut: LeftOut;
}

/**
 * Reads all headers into `headers` and joins repeated ones as Node.js does. Returns the characters
 * of all names and values. If any name was repeated, it also returns all names and values in the
 * order they arrived.
 */
function readHeaders(
  req: HttpRequest,
  headers: Record<string, string>,
): { readonly bytes: number; readonly repeated: string[] | undefined } {
  let repeated: string[] | undefined;
  let bytes = 0;
  req.forEach((name, value) => {
    bytes += name.length + value.length;
    // For a header named "constructor" it is Object's own member.
    const before: unknown = headers[name];
    if (before === undefined || !Object.hasOwn(headers, name)) {
      headers[name] = value;
      repeated?.push(name, value);
      return;
    }
    repeated ??= Object.entries(headers).flat();
    repeated.push(name, value);
    if (!FIRST_ONLY.has(name)) headers[name] = before + (name === "cookie" ? "; " : ", ") + value;
  });
  return { bytes, repeated };
}

/** Queries in which nothing is escaped, so that they can be cut as they are. */
const PLAIN_QUERY = /^[\w.~=&,:;@/!*-]*$/;

/** Returns what `URLSearchParams` reads from a query; of a repeated name the last value. */
function readQuery(query: string | undefined): Record<string, string> {
  // Most queries are `EIO=4&transport=websocket`, for which URLSearchParams takes microseconds.
  if (!query || !PLAIN_QUERY.test(query) || query.includes("__proto__"))
    return Object.fromEntries(new URLSearchParams(query));
  const found: Record<string, string> = {};
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    if (at < 0) found[pair] = "";
    else found[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return found;
}

/**
 * Returns an address of 4 or 16 bytes as text, and an IPv4 address mapped into IPv6 as IPv4. For
 * any other length it returns an empty string.
 */
export function formatAddress(bytes: ArrayBuffer): string {
  const octets = new Uint8Array(bytes);
  if (octets.length === 4) return formatIpv4(octets, 0);
  if (octets.length !== 16) return "";
  if (isMapped(octets)) return formatIpv4(octets, 12);
  const words: string[] = [];
  for (let at = 0; at < 16; at += 2) {
    words.push((((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0)).toString(16));
  }
  // The URL parser writes the canonical short form (RFC 5952).
  return new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1);
}

function isMapped(octets: Uint8Array): boolean {
  for (let at = 0; at < 12; at++) if (octets[at] !== (at < 10 ? 0 : 0xff)) return false;
  return true;
}

function formatIpv4(octets: Uint8Array, at: number): string {
  return `${octets[at]}.${octets[at + 1]}.${octets[at + 2]}.${octets[at + 3]}`;
}

/** Whether a request asks for a new connection. For Engine.IO an empty `sid` means none. */
export function namesNoSession(query: Readonly<Record<string, string>>): boolean {
  return !query.sid;
}

/**
 * Whether a request asks for a WebSocket in a supported version, 13 or 8 (RFC 6455, section 4.2.1).
 * uWebSockets.js itself checks only that there is a key. Version 8 differs from 13 only in the name
 * of one header.
 */
export function asksForWebSocket({ headers }: Pick<IncomingRequest, "headers">): boolean {
  const { connection = "", upgrade = "" } = headers;
  const version = headers["sec-websocket-version"] ?? "";
  const asks = upgrade.toLowerCase() === "websocket" && /\bupgrade\b/i.test(connection);
  return asks && (version === "13" || version === "8");
}

/**
 * Whether the length of a request is ambiguous (RFC 9112, section 6.3): it has both Content-Length
 * and Transfer-Encoding, or one that implementations read differently. A proxy and uWebSockets.js
 * could then disagree on where the request ends, and an attacker could smuggle in a second one.
 */
export function isAmbiguous(headers: Readonly<Record<string, string>>): boolean {
  const { "content-length": length, "transfer-encoding": coding } = headers;
  if (coding !== undefined) return length !== undefined || coding.toLowerCase() !== "chunked";
  return length !== undefined && !/^\d+$/.test(length);
}
