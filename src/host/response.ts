import type { HttpResponse } from "uWebSockets.js";
import { type ByteBuffer, createByteBuffer } from "../core/byte-buffer.ts";
import {
  formatStatus,
  type HeadersGiven,
  type LeftOut,
  listHeaders,
  readHeader,
  writeLines,
} from "./headers.ts";
import { LazyEmitter } from "./lazy-emitter.ts";
import type { RequestSocket } from "./request-socket.ts";

/** A piece of an answer's body. */
type Chunk = string | Uint8Array;

/** What a response knows of its request. */
interface AnsweredRequest {
  readonly method: string;
  readonly socket: RequestSocket;
}

/** Whose body is held, and counted among what it has sent in part. */
export interface BodyOwner {
  /** The response whose request's body is held. */
  waiting: Pick<SafeResponse, "dropBody"> | undefined;
  hold(bytes: number): void;
}

/** A header as it was set, and the lines it is written as. */
interface Held {
  readonly name: string;
  readonly value: unknown;
  readonly lines: readonly string[];
}

// uWebSockets.js writes these itself, and a second one would say where another answer begins.
const FRAMING = ["content-length", "transfer-encoding"];
/** What it writes of a WebSocket handshake. */
const HANDSHAKE = [
  ...FRAMING,
  ...["connection", "upgrade", "sec-websocket-accept"],
  ...["sec-websocket-protocol", "sec-websocket-extensions"],
];

/** Answers that end with their head (RFC 9112, section 6.3): a body would begin the next answer. */
const BARE = /^(204|304) /;

/**
 * A uWebSockets.js response that can be touched at any time: after an abort or the end of the
 * answer every call does nothing, where the bare object would throw.
 *
 * For engine.io it has the methods of uWebSockets.js, and for middlewares, which are written for
 * Node.js' http server, those of `http.ServerResponse`. Either way a header that Node.js would
 * refuse is left out and told, and everything is written at the end, in one piece.
 *
 * `onAborted` takes any number of listeners; one added after the abort is called at once.
 */
export class SafeResponse extends LazyEmitter {
  aborted = false;
  ended = false;
  /** Whether a middleware has settled status and headers; what is set later is written as well. */
  headersSent = false;
  statusCode = 200;
  statusMessage: string | undefined;
  /** Whether the TCP connection ends with this answer. */
  isLast = false;
  readonly req: AnsweredRequest;
  readonly #raw: HttpResponse;
  readonly #leftOut: LeftOut;
  readonly #headers = new Map<string, Held>();
  #body: Buffer[] | undefined;
  #listeners: (() => void)[] = [];
  #heldBody: { readonly bytes: ByteBuffer; readonly owner: BodyOwner; isLast: boolean } | undefined;
  #wants: ((chunk: ArrayBuffer, isLast: boolean) => void) | undefined;

  constructor(raw: HttpResponse, req: AnsweredRequest, leftOut: LeftOut) {
    super();
    this.#raw = raw;
    this.req = req;
    req.socket.carrier = this;
    this.#leftOut = leftOut;
    raw.onAborted(() => {
      this.aborted = true;
      this.dropBody();
      const listeners = this.#listeners;
      this.#listeners = [];
      for (const listener of listeners) listener();
      req.socket.closed();
      this.emit("close");
    });
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
    if (lines) this.#headers.set(name.toLowerCase(), { name, value, lines });
    else this.#leftOut(String(name));
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
    return this.#headers.get(name.toLowerCase())?.value;
  }

  getHeaders(): Record<string, unknown> {
    const all = [...this.#headers].map(([name, { value }]) => [name, value]);
    return Object.assign(Object.create(null), Object.fromEntries(all));
  }

  getHeaderNames(): string[] {
    return [...this.#headers.keys()];
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    this.#headers.delete(name.toLowerCase());
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

  // These two are no documented members, but what keeps a session at the end of a request uses
  // them.
  get _header(): boolean {
    return this.headersSent;
  }

  _implicitHeader(): void {
    this.writeHead(this.statusCode);
  }

  /** Keeps a piece of the body until the end. */
  write(chunk: Chunk, encoding?: unknown): boolean {
    if (this.done) return false;
    // As its caller says.
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
    // As in Node.js: some middlewares add their headers when this is called.
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
      // No arguments: the legacy binary would wait for a body of the length it is given.
      raw.endWithoutBody();
    });
  }

  #writeHeaders(but: readonly string[]): void {
    for (const [key, { name, lines }] of this.#headers) {
      if (!but.includes(key)) writeLines(this.#raw, name, lines);
    }
  }

  /** Ends the TCP connection. */
  destroy(): this {
    return this.close();
  }

  // --- as in uWebSockets.js ---

  onAborted(listener: () => void): this {
    if (this.aborted) listener();
    else this.#listeners.push(listener);
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

  /** Everything is written at the end, which corks by itself. */
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
      // A body may go on arriving after an early answer; nobody is interested in it then.
      this.#raw.onData((chunk, isLast) => void (this.done || handler(chunk, isLast)));
    }
    return this;
  }

  /**
   * Keeps what arrives of the body, up to `bytesMax` and then cut off, until somebody wants it:
   * uWebSockets.js throws away what comes before `onData` was called. `owner` counts it meanwhile,
   * and may drop it.
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

  /** Lets go of a body that is held. */
  dropBody(): void {
    const { bytes, owner } = this.#heldBody ?? {};
    if (!bytes || owner?.waiting !== this) return;
    owner.waiting = undefined;
    owner.hold(-bytes.length);
    bytes.drop();
  }

  /** Ends the TCP connection without an answer. */
  close(): this {
    if (!this.done) this.#raw.close();
    return this;
  }

  /** Hands the connection over to a WebSocket; the response is over after it. */
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
