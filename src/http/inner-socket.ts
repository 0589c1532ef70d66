import { Duplex } from "node:stream";
import type { AppRequest } from "./request.ts";

/** What happens at the other side of an {@link InnerSocket}. */
export interface OtherSide {
  /** The server takes more of the request. */
  wanted(): void;
  /** The server writes. Call `done` when it may write more. */
  wrote(chunks: readonly Buffer[], done: () => void): void;
  /** The server has ended what it writes. */
  ended(): void;
  /** The connection is closed. */
  closed(): void;
}

/**
 * The server's end of a connection inside the process, which carries one request.
 *
 * It has those members of `net.Socket` that Node.js' http and frameworks use. Timeouts, keep-alive
 * and Nagle's algorithm are those of the client's connection, so their methods do nothing.
 */
export class InnerSocket extends Duplex {
  readonly remoteAddress: string;
  readonly remotePort = 0;
  readonly encrypted: boolean;
  readonly request: AppRequest;
  readonly #other: OtherSide;

  constructor(request: AppRequest, other: OtherSide) {
    super();
    this.remoteAddress = request.address;
    this.encrypted = request.encrypted;
    this.request = request;
    this.#other = other;
  }

  get remoteFamily(): "IPv4" | "IPv6" {
    return this.remoteAddress.includes(":") ? "IPv6" : "IPv4";
  }

  override _read(): void {
    this.#other.wanted();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#other.wrote([chunk], done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: () => void): void {
    this.#other.wrote(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  override _final(done: () => void): void {
    this.#other.ended();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#other.closed();
    done(error);
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  address(): Record<string, never> {
    return {};
  }
}
