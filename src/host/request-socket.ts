import { EventEmitter } from "node:events";

function None(): void {}
None.prototype = EventEmitter.prototype;

/**
 * An EventEmitter whose constructor does nothing. EventEmitter's methods create its fields when the
 * first listener is added, and most of these objects never get one.
 */
// The cast is safe: `new None()` returns an object with EventEmitter's prototype.
export const LazyEmitter = None as unknown as new () => EventEmitter;

/** The connection of a request, with those members of `net.Socket` that can be filled in. */
export class RequestSocket extends LazyEmitter {
  /** The client's address. Behind a trusted proxy this is not the address of the TCP peer. */
  remoteAddress: string;
  /** The address in the PROXY protocol header, empty without one. */
  readonly proxiedAddress: string;
  readonly encrypted: boolean;
  destroyed = false;
  /** The open response, later the WebSocket. Undefined when neither is open. */
  carrier: { destroy(): unknown } | undefined;

  constructor(address: string, proxiedAddress: string, encrypted: boolean) {
    super();
    this.remoteAddress = address;
    this.proxiedAddress = proxiedAddress;
    this.encrypted = encrypted;
  }

  get remoteFamily(): "IPv4" | "IPv6" {
    return this.remoteAddress.includes(":") ? "IPv6" : "IPv4";
  }

  get readable(): boolean {
    return !this.destroyed;
  }

  get writable(): boolean {
    return !this.destroyed;
  }

  /** Closes the TCP connection. Does nothing between two long-polling requests. */
  destroy(): this {
    this.carrier?.destroy();
    return this;
  }

  /** Marks the connection as closed and emits `close` once. */
  closed(): void {
    this.carrier = undefined;
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close", false);
  }

  // uWebSockets.js controls keep-alive, Nagle's algorithm and timeouts, so these do nothing.
  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }
}
