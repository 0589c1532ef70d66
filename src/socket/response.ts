import type { HttpResponse } from "uWebSockets.js";

/**
 * A uWebSockets.js response that can be touched at any time: after an abort or the end of the
 * answer every call does nothing, where the bare object would throw.
 *
 * `onAborted` takes any number of listeners; one added after the abort is called at once.
 */
export class SafeResponse {
  aborted = false;
  ended = false;
  /** Headers that the answer has, whoever gives it, unless it brings its own of that name. */
  standing: (readonly [string, string])[] = [];
  readonly #raw: HttpResponse;
  #listeners: (() => void)[] = [];
  #held: [ArrayBuffer, boolean][] | undefined;
  #wants: ((chunk: ArrayBuffer, isLast: boolean) => void) | undefined;

  constructor(raw: HttpResponse) {
    this.#raw = raw;
    raw.onAborted(() => {
      this.aborted = true;
      const listeners = this.#listeners;
      this.#listeners = [];
      for (const listener of listeners) listener();
    });
  }

  get done(): boolean {
    return this.aborted || this.ended;
  }

  onAborted(listener: () => void): this {
    if (this.aborted) listener();
    else this.#listeners.push(listener);
    return this;
  }

  writeStatus(status: string): this {
    if (!this.done) this.#raw.writeStatus(status);
    return this;
  }

  writeHeader(key: string, value: string): this {
    if (this.done) return this;
    const at = this.standing.findIndex(([name]) => name.toLowerCase() === key.toLowerCase());
    if (at >= 0) this.standing.splice(at, 1);
    this.#raw.writeHeader(key, value);
    return this;
  }

  end(body?: string | Buffer): this {
    if (this.done) return this;
    this.ended = true;
    this.#raw.cork(() => {
      this.#writeStanding();
      if (body === undefined) this.#raw.end();
      else this.#raw.end(body);
    });
    return this;
  }

  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): this {
    if (this.#held) {
      this.#wants = handler;
      for (const [chunk, isLast] of this.#held.splice(0)) if (!this.done) handler(chunk, isLast);
    } else if (!this.done) {
      // A body may go on arriving after an early answer; nobody is interested in it then.
      this.#raw.onData((chunk, isLast) => void (this.done || handler(chunk, isLast)));
    }
    return this;
  }

  /**
   * Keeps what arrives of the body, up to `bytesMax` and then cut off, until somebody wants it:
   * uWebSockets.js throws away what comes before `onData` was called.
   */
  holdBody(bytesMax: number): void {
    const held: [ArrayBuffer, boolean][] = [];
    let bytes = 0;
    this.#held = held;
    this.#raw.onData((chunk, isLast) => {
      if (this.done) return;
      if (this.#wants) {
        this.#wants(chunk, isLast);
        return;
      }
      bytes += chunk.byteLength;
      // The chunk is valid only during this call.
      if (bytes <= bytesMax) held.push([chunk.slice(0), isLast]);
      else this.close();
    });
  }

  cork(write: () => void): this {
    if (!this.done) this.#raw.cork(write);
    return this;
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
    if (this.done) return;
    this.ended = true;
    const { key, protocol, extensions } = handshake;
    this.#writeStanding();
    this.#raw.upgrade(data, key, protocol, extensions, context);
  }

  #writeStanding(): void {
    for (const [name, value] of this.standing) this.#raw.writeHeader(name, value);
  }
}
