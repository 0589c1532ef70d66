import { Duplex } from "node:stream";
import type { AppRequest } from "./request.ts";

/**
 * One end of a connection inside the process: what is written to it, the other end reads. Neither
 * end takes more than the other reads.
 *
 * It has those members of `net.Socket` that Node.js' http and frameworks use. Timeouts, keep-alive
 * and Nagle's algorithm are those of the client's connection, so their methods do nothing.
 */
export class MemorySocket extends Duplex {
  remoteAddress = "";
  remotePort = 0;
  encrypted = false;
  /** At the server's end, the request that is being answered. */
  request: AppRequest | undefined;
  #other: MemorySocket | undefined;
  /** Tells the other end that what it wrote is read. */
  #taken: (() => void) | undefined;

  /** Returns both ends of a new connection. */
  static connect(): { readonly client: MemorySocket; readonly server: MemorySocket } {
    const client = new MemorySocket();
    const server = new MemorySocket();
    client.#other = server;
    server.#other = client;
    return { client, server };
  }

  /** The end at the other side. */
  get other(): MemorySocket | undefined {
    return this.#other;
  }

  get remoteFamily(): "IPv4" | "IPv6" {
    return this.remoteAddress.includes(":") ? "IPv6" : "IPv4";
  }

  override _read(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const other = this.#other;
    if (!other || other.destroyed || chunk.length === 0) {
      process.nextTick(done);
      return;
    }
    other.#taken = done;
    other.push(chunk);
  }

  override _final(done: () => void): void {
    if (this.#other && !this.#other.destroyed) this.#other.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#other?.destroy();
    this.#taken = undefined;
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
