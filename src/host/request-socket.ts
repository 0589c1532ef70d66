import { LazyEmitter } from "./lazy-emitter.ts";

/** What ends a request's connection. */
interface Carrier {
  destroy(): unknown;
}

/** The connection of a request, with what is known of it of `net.Socket`'s members. */
export class RequestSocket extends LazyEmitter {
  /** The client's address: where proxies are trusted, not that of the TCP peer. */
  remoteAddress: string;
  /** The PROXY protocol's address, empty without one. */
  readonly proxiedAddress: string;
  readonly encrypted: boolean;
  destroyed = false;
  /** The response while there is one, then the WebSocket. */
  carrier: Carrier | undefined;

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

  /** Ends the TCP connection; between two long-polling requests there is none to end. */
  destroy(): this {
    this.carrier?.destroy();
    return this;
  }

  /** Called when the connection is over. */
  closed(): void {
    this.carrier = undefined;
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit("close", false);
  }

  // uWebSockets.js decides on these.
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
