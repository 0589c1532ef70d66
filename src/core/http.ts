/** Header names in lower case, with their values. */
export type Headers = Readonly<Record<string, string>>;

/** Methods a route may have; HEAD is answered as GET without its body. */
export type HttpMethod = "GET" | "POST" | "DELETE";

/**
 * One HTTP request and the way to answer it, once. Everything about the request was read when it
 * arrived, so it may be used at any time; after an abort or the answer, every call does nothing.
 */
export interface Exchange {
  readonly method: string;
  /** Path without the query, as it was sent. */
  readonly path: string;
  /** Query without `?`, as it was sent. */
  readonly query: string;
  readonly headers: Headers;
  /** Whether nobody waits for an answer any more: the client went away, or it was answered. */
  isDone(): boolean;
  /** Calls back when the client goes away before the answer; at once if it has gone. */
  onAborted(listener: () => void): void;
  /**
   * Receives the body in chunks. To be called before the handler returns, or the first chunk is
   * lost. A chunk's bytes are only valid during the call.
   */
  onChunk(listener: (chunk: Buffer, last: boolean) => void): void;
  /** Stops reading from the connection, until `resume`; one chunk may still come. */
  pause(): void;
  resume(): void;
  /** Answers; `close` ends the connection after it. */
  answer(answer: HttpAnswer): void;
  /** Begins an answer whose body is written bit by bit; `undefined` when nobody waits for it. */
  stream(status: number, headers: Headers): AnswerStream | undefined;
}

/** A whole answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Headers;
  readonly body?: string | Buffer;
  readonly close?: boolean;
}

/** The body of an answer while it is being written. */
export interface AnswerStream {
  /** Returns false when the client reads slower than this is written: wait for `onWritable`. */
  write(chunk: string | Buffer): boolean;
  onWritable(listener: () => void): void;
  /** Ends the body; with `close` the connection too, the rest of the request unread. */
  end(close?: boolean): void;
  /** Ends the connection in the middle, so that the client cannot take the body for complete. */
  abort(): void;
}

/** Answers a request, now or later. What it throws or rejects with is answered as a 500. */
export type HttpHandler = (exchange: Exchange) => void | Promise<void>;

/** Adds a route; `path` is exact. */
export type Route = (method: HttpMethod, path: string, handler: HttpHandler) => void;
