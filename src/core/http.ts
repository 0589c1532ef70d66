import { FAILURES, type FailureCode } from "./failures.ts";

/** Header names in lower case, with their values. */
export type Headers = Readonly<Record<string, string>>;

/** Methods of routes. HEAD gets the same response as GET, without the body. */
export type HttpMethod = "GET" | "POST" | "DELETE";

/**
 * One HTTP request and its response. The request's fields are copies, so they stay valid at any
 * time. After an abort or the response, every method does nothing.
 */
export interface Exchange {
  readonly method: string;
  /** Path without the query, not decoded. */
  readonly path: string;
  /** Query without `?`, not decoded. */
  readonly query: string;
  readonly headers: Headers;
  /** Whether the response was sent or the client disconnected. */
  isDone(): boolean;
  /** Calls back when the client disconnects before the response; at once if it already has. */
  onAborted(listener: () => void): void;
  /**
   * Receives the body in chunks. Call it before the handler returns, or the first chunk is lost. A
   * chunk's bytes are valid only during the call.
   */
  onChunk(listener: (chunk: Buffer, last: boolean) => void): void;
  /** Stops reading from the connection, until `resume`; one chunk may still come. */
  pause(): void;
  resume(): void;
  /** Sends the response. */
  respond(response: RouteResponse): void;
  /**
   * Starts a response whose body is streamed; `undefined` if {@link Exchange.isDone}. HEAD has no
   * body: it is answered, and gets no stream.
   */
  stream(status: number, headers: Headers): ResponseStream | undefined;
}

/** A complete response. */
export interface RouteResponse {
  readonly status: number;
  readonly headers?: Headers;
  readonly body?: string | Buffer;
  /** Whether the connection is closed after it. */
  readonly close?: boolean;
}

/** The body of a response that is being streamed. */
export interface ResponseStream {
  /** Returns false if the client reads too slowly: then wait for `onWritable`. */
  write(chunk: string | Buffer): boolean;
  onWritable(listener: () => void): void;
  /**
   * Ends the body. With `leaveUnread` nothing more is read from the connection: uWebSockets.js
   * closes it as an idle one.
   */
  end(leaveUnread?: boolean): void;
  /** Closes the connection before the body's end, so that the client sees it is incomplete. */
  abort(): void;
}

/** Responds to a request, now or later. If it throws or rejects, the response is a 500. */
export type HttpHandler = (exchange: Exchange) => void | Promise<void>;

/** Adds a route; `path` is exact. */
export type AddRoute = (method: HttpMethod, path: string, handler: HttpHandler) => void;

/** The media type of RFC 9457. */
export const PROBLEM_TYPE = "application/problem+json";

/**
 * Returns a failure as an RFC 9457 problem document: `type` is `about:blank`, so that the status
 * says what kind it is, `title` the failure's sentence, `code` its name. `members` are further
 * members of the document, such as `index` and `path`.
 */
export function problemOf(
  code: FailureCode,
  more: Pick<RouteResponse, "headers" | "close"> & {
    readonly detail?: string | undefined;
    readonly members?: Readonly<Record<string, unknown>>;
  } = {},
): RouteResponse {
  const { status, text } = FAILURES[code];
  const document = {
    type: "about:blank",
    title: text,
    status,
    code,
    ...(more.detail !== undefined && { detail: more.detail }),
    ...more.members,
  };
  return {
    status,
    headers: { "content-type": PROBLEM_TYPE, ...more.headers },
    body: JSON.stringify(document),
    ...(more.close && { close: true }),
  };
}

/** Names of headers with their values, in their order; a name may come several times. */
export type HeaderPairs = readonly (readonly [string, string])[];

/**
 * A request for the application's own HTTP handler, and its response. Unlike {@link Exchange} it
 * adds no header, and headers may be repeated. What {@link Exchange} says of time holds here too.
 */
export interface AppExchange extends Pick<Exchange, "isDone" | "onChunk" | "pause" | "resume"> {
  readonly method: string;
  /** Path and query, not decoded. */
  readonly target: string;
  /** As they arrived. Bytes that are not ASCII are Latin-1, as in Node.js. */
  readonly headers: HeaderPairs;
  /** The client's address, behind a trusted proxy too. */
  readonly address: string;
  readonly encrypted: boolean;
  /**
   * Sets the one function that is called at the end: when the response was handed to the kernel, or
   * the connection has closed before. The latter is an abort.
   */
  onOver(listener: (isAborted: boolean) => void): void;
  /** Sends a whole response of the gateway's own. If one has begun, closes the connection. */
  refuse(response: RouteResponse): void;
  /**
   * Begins the response. Headers that HTTP forbids, and those that frame the body, are left out.
   * Returns undefined if {@link Exchange.isDone}, or if a response has begun.
   */
  begin(head: ResponseHead): AppResponse | undefined;
  /** Closes the connection. */
  abort(): void;
}

/** The head of an application's response. */
export interface ResponseHead {
  readonly status: number;
  /** The reason phrase; the standard one if it is empty. */
  readonly reason: string;
  readonly headers: HeaderPairs;
  /** Length of the body in bytes; undefined if it is not known. */
  readonly length: number | undefined;
}

/** The body of an application's response. */
export interface AppResponse {
  /** Whether there is a body: not for HEAD, 204 and 304. If not, call `end`. */
  readonly hasBody: boolean;
  /**
   * Sends a chunk. Returns false if the client reads too slowly: then wait until `onWritable` has
   * called back before you write again.
   */
  write(chunk: Uint8Array): boolean;
  /** Sets the one function that is called whenever the client has caught up. */
  onWritable(listener: () => void): void;
  /** Ends the body. If fewer bytes were written than the length says, closes the connection. */
  end(): void;
}
