import type { HttpResponse } from "uWebSockets.js";
import { type ByteBuffer, createByteBuffer } from "../core/body.ts";
import {
  formatStatus,
  type HeadersGiven,
  type LeftOut,
  listHeaders,
  readHeader,
  writeLines,
} from "./headers.ts";
import { LazyEmitter, type RequestSocket } from "./request-socket.ts";

/** A piece of a response's body. */
type Chunk = string | Uint8Array;

/** The members of a request that its response uses. */
interface AnsweredRequest {
  readonly method: string;
  readonly socket: RequestSocket;
}

/** A response header: what was set, and what is written. */
interface Header {
  readonly name: string;
  readonly value: unknown;
  readonly lines: readonly string[];
}

/** The connection on whose account a request's body is buffered. */
export interface BodyOwner {
  /** The response that buffers its request's body now. */
  waiting: Pick<SafeResponse, "dropBody"> | undefined;
  /** Adds to the bytes buffered for the owner; negative when they are released. */
  hold(bytes: number): void;
}

// uWebSockets.js writes these itself. With a second one the client could misread where the response
// ends.
const FRAMING = ["content-length", "transfer-encoding"];
/** Headers of a WebSocket handshake that uWebSockets.js writes itself. */
const HANDSHAKE = [
  ...FRAMING,
  ...["connection", "upgrade", "sec-websocket-accept"],
  ...["sec-websocket-protocol", "sec-websocket-extensions"],
];

/**
 * Statuses of responses without a body (RFC 9112, section 6.3). The client would read a body as the
 * start of the next response.
 */
const BARE = /^(204|304) /;

/**
 * A uWebSockets.js response that is safe to use at any time. Once the request is aborted or the
 * response sent, every call does nothing, where the native response would throw.
 *
 * It has the methods of uWebSockets.js for engine.io, and those of `http.ServerResponse` for
 * middlewares, which are written for Node.js. Headers that Node.js would refuse are left out and
 * reported to `leftOut`. Everything is written at the end, at once.
 *
 * `onAborted` takes any number of listeners. A listener added after the abort is called at once.
 */
export class SafeResponse extends LazyEmitter {
  aborted = false;
  ended = false;
  /** Whether `writeHead` was called. Headers that are set later are still written. */
  headersSent = false;
  statusCode = 200;
  statusMessage: string | undefined;
  /** Whether the TCP connection is closed after this response. */
  isLast = false;
  readonly req: AnsweredRequest;
  readonly #raw: HttpResponse;
  readonly #leftOut: LeftOut;
  /** By name in lower case; undefined until one is set. Most WebSockets get no header. */
  #headers: Map<string, Header> | undefined;
  #body: Buffer[] | undefined;
  #listeners: (() => void)[] | undefined;
  #heldBody: { readonly bytes: ByteBuffer; readonly owner: BodyOwner; isLast: boolean } | undefined;
  #wants: ((chunk: ArrayBuffer, isLast: boolean) => void) | undefined;

  constructor(raw: HttpResponse, req: AnsweredRequest, leftOut: LeftOut) {
    super();
    this.#raw = raw;
    this.req = req;
    req.socket.carrier = this;
    this.#leftOut = leftOut;
    raw.onAborted(() => this.#abort());
  }

  #abort(): void {
    this.aborted = true;
    this.dropBody();
    const listeners = this.#listeners ?? [];
    this.#listeners = undefined;
    for (const listener of listeners) listener();
    this.req.socket.closed();
    this.emit("close");
  }

  get done(): boolean {
    return this.aborted || this.ended;
  }

  // --- as in Node.js ---

  get socket(): RequestSocket {
    return this.req.socket;
  }

  get connection(): RequestSocket {
    return this.req.socket;
  }

  get writable(): boolean {
    return !this.done;
  }

  get writableEnded(): boolean {
    return this.ended;
  }

  get writableFinished(): boolean {
    return this.ended;
  }

  get finished(): boolean {
    return this.ended;
  }

  get destroyed(): boolean {
    return this.aborted;
  }

  setHeader(name: string, value: unknown): this {
    const lines = readHeader(name, value);
    if (lines) {
      this.#headers ??= new Map();
      this.#headers.set(name.toLowerCase(), { name, value, lines });
    } else this.#leftOut(String(name));
    return this;
  }

  appendHeader(name: string, value: unknown): this {
    const before = this.getHeader(name);
    return this.setHeader(name, before === undefined ? value : [before, value].flat());
  }

  setHeaders(given: Iterable<readonly [string, unknown]>): this {
    for (const [name, value] of given) this.setHeader(name, value);
    return this;
  }

  getHeader(name: string): unknown {
    return this.#headers?.get(name.toLowerCase())?.value;
  }

  getHeaders(): Record<string, unknown> {
    const all = [...(this.#headers ?? [])].map(([name, { value }]) => [name, value]);
    return Object.assign(Object.create(null), Object.fromEntries(all));
  }

  getHeaderNames(): string[] {
    return [...(this.#headers?.keys() ?? [])];
  }

  hasHeader(name: string): boolean {
    return this.#headers?.has(name.toLowerCase()) ?? false;
  }

  removeHeader(name: string): void {
    this.#headers?.delete(name.toLowerCase());
  }

  writeHead(status?: number, ...given: readonly (string | HeadersGiven | undefined)[]): this {
    if (this.done) return this;
    if (status !== undefined) this.statusCode = status;
    for (const one of given) {
      if (typeof one === "string") this.statusMessage = one;
      else if (one) for (const [name, value] of listHeaders(one)) this.setHeader(name, value);
    }
    this.headersSent = true;
    return this;
  }

  // Node.js does not document these two, but session middlewares use them when a request ends.
  get _header(): boolean {
    return this.headersSent;
  }

  _implicitHeader(): void {
    this.writeHead(this.statusCode);
  }

  /** Buffers a piece of the body until `end`. */
  write(chunk: Chunk, encoding?: unknown): boolean {
    if (this.done) return false;
    // The caller promises that a string here names an encoding; Buffer.from throws otherwise.
    const text = typeof encoding === "string" ? (encoding as BufferEncoding) : undefined;
    this.#body ??= [];
    this.#body.push(typeof chunk === "string" ? Buffer.from(chunk, text) : Buffer.from(chunk));
    return true;
  }

  end(...given: readonly unknown[]): this {
    if (this.done) return this;
    const [chunk, encoding] = given;
    const last = isChunk(chunk) ? chunk : undefined;
    if (last !== undefined && (this.#body || typeof encoding === "string")) {
      this.write(last, encoding);
    }
    // As in Node.js: some middlewares wrap writeHead and add their headers there.
    if (!this.headersSent) this._implicitHeader();
    if (this.done) return this;
    this.#over();
    this.#finish(this.#body ? Buffer.concat(this.#body) : last);
    for (const one of given) if (typeof one === "function") one();
    this.emit("finish");
    this.emit("close");
    return this;
  }

  #over(): void {
    this.ended = true;
    this.dropBody();
    this.socket.carrier = undefined;
  }

  #finish(body: Chunk | undefined): void {
    const raw = this.#raw;
    raw.cork(() => {
      const status = formatStatus(this.statusCode, this.statusMessage);
      const isBare = BARE.test(status);
      raw.writeStatus(status);
      this.#writeHeaders(FRAMING);
      if (this.req.method !== "HEAD" && !isBare) {
        if (body === undefined) raw.end();
        else raw.end(body, this.isLast);
        return;
      }
      const length = body === undefined ? 0 : Buffer.byteLength(body);
      if (!isBare) raw.writeHeader("Content-Length", `${length}`);
      // No arguments: given a length, the legacy binary would wait for a body of that length.
      raw.endWithoutBody();
    });
  }

  #writeHeaders(but: readonly string[]): void {
    if (!this.#headers) return;
    for (const [key, { name, lines }] of this.#headers) {
      if (!but.includes(key)) writeLines(this.#raw, name, lines);
    }
  }

  /** Closes the TCP connection without a response. */
  destroy(): this {
    return this.close();
  }

  // --- as in uWebSockets.js ---

  onAborted(listener: () => void): this {
    if (this.aborted) listener();
    else if (this.#listeners) this.#listeners.push(listener);
    else this.#listeners = [listener];
    return this;
  }

  writeStatus(status: string): this {
    this.statusCode = Number.parseInt(status, 10);
    this.statusMessage = status.slice(4) || undefined;
    return this;
  }

  writeHeader(name: string, value: string): this {
    return this.setHeader(name, value);
  }

  /** Runs `write`. The response is written at the end, which corks it. */
  cork(write: () => void): this {
    if (!this.done) write();
    return this;
  }

  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): this {
    const held = this.#heldBody;
    if (held) {
      this.#wants = handler;
      const bytes = Uint8Array.from(held.bytes.bytes());
      this.dropBody();
      if (!this.done && (bytes.length > 0 || held.isLast)) handler(bytes.buffer, held.isLast);
    } else if (!this.done) {
      // The rest of a body may still arrive after an early response. It is discarded.
      this.#raw.onData((chunk, isLast) => void (this.done || handler(chunk, isLast)));
    }
    return this;
  }

  /**
   * Buffers the body until `onData` is called, because uWebSockets.js discards what arrives before.
   * The TCP connection is closed if more than `bytesMax` arrive, or far too many tiny pieces. The
   * bytes are counted at `owner`, which may drop them.
   */
  holdBody(bytesMax: number, owner: BodyOwner): void {
    const held = { bytes: createByteBuffer(bytesMax), owner, isLast: false };
    this.#heldBody = held;
    owner.waiting = this;
    this.#raw.onData((chunk, isLast) => {
      if (this.done) return;
      held.isLast = isLast;
      if (this.#wants) this.#wants(chunk, isLast);
      else if (owner.waiting !== this) return;
      else if (held.bytes.add(new Uint8Array(chunk))) owner.hold(chunk.byteLength);
      else this.close();
    });
  }

  /** Releases the buffered body, if any. */
  dropBody(): void {
    const { bytes, owner } = this.#heldBody ?? {};
    if (!bytes || owner?.waiting !== this) return;
    owner.waiting = undefined;
    owner.hold(-bytes.length);
    bytes.drop();
  }

  /** Closes the TCP connection without a response. */
  close(): this {
    if (!this.done) this.#raw.close();
    return this;
  }

  /** Sends a WebSocket handshake. The response cannot be used afterwards. */
  upgrade<UserData>(
    data: UserData,
    handshake: { key: string; protocol: string; extensions: string },
    context: Parameters<HttpResponse["upgrade"]>[4],
  ): void {
    if (!this.headersSent) this.writeHead(101);
    if (this.done) return;
    this.#over();
    const { key, protocol, extensions } = handshake;
    this.#raw.cork(() => {
      this.#raw.writeStatus("101 Switching Protocols");
      this.#writeHeaders(HANDSHAKE);
      this.#raw.upgrade(data, key, protocol, extensions, context);
    });
  }
}

function isChunk(given: unknown): given is Chunk {
  return typeof given === "string" || given instanceof Uint8Array;
}
