import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { HandlerFailed } from "../core/handler.ts";
import {
  type AppExchange,
  type AppResponse,
  type HeaderPairs,
  problemOf,
  type ResponseHead,
} from "../core/http.ts";
import type { Settings } from "../core/settings-shape.ts";

/** A request as the adapters of `fetch` and `http` get it. Its bounds are kept here. */
export interface AppRequest
  extends Pick<AppExchange, "method" | "target" | "headers" | "address" | "encrypted"> {
  /** Undefined if the request has none. Listen to it before the handler is called. */
  readonly body: AppBody | undefined;
  /** Whether nothing that is done from now on has an effect. */
  isOver(): boolean;
  /** As {@link AppExchange.begin}. */
  begin(head: ResponseHead): AppResponse | undefined;
  /** Refuses a request that the handler cannot be given. */
  refuse(code: FailureCode): void;
  /** Reports what the handler threw. The client gets a 500, or its connection is closed. */
  failed(error: unknown): void;
  /** Closes the connection. */
  abort(): void;
  /** Calls back at the end, with whether the client got the whole response. */
  onOver(listener: (isComplete: boolean) => void): void;
}

/** The body of a request. */
export interface AppBody {
  /** Its length in bytes; undefined if it comes in chunks. */
  readonly length: number | undefined;
  /** Whether its last byte has come. */
  isWhole(): boolean;
  /** Receives copies of the chunks. */
  listen(chunk: (bytes: Buffer) => void, end: () => void): void;
  pause(): void;
  resume(): void;
}

/** How requests reach the application's handler. */
export type Adapter = (request: AppRequest) => void;

/** What a request needs. */
interface RequestNeeds {
  readonly failed: HandlerFailed;
  /** Called before a response begins. */
  begun(head: ResponseHead): void;
  /** Called once at the end, with the class of the response's status, such as `2xx`. */
  over(status: string): void;
}

/** Returns the value of the first header of a name, which is in lower case. */
export function findHeader(headers: HeaderPairs, name: string): string | undefined {
  return headers.find(([one]) => one.toLowerCase() === name)?.[1];
}

/** Whether a response is one of server-sent events. */
export function isEventStream({ headers }: ResponseHead): boolean {
  return /^text\/event-stream\b/i.test(findHeader(headers, "content-type") ?? "");
}

/** A comment, which readers of server-sent events skip. */
const COMMENT = Buffer.from(":\n\n");

/**
 * Begins server-sent events whose first event is late, so that their head leaves. uWebSockets.js
 * cannot send a head alone, so the head of any other response waits for the first byte of its body.
 */
export function openEvents(out: AppResponse, head: ResponseHead): void {
  const isPlain = head.length === undefined && !findHeader(head.headers, "content-encoding");
  if (isPlain && isEventStream(head)) out.write(COMMENT);
}

/** Returns the length that a `content-length` tells, or undefined. */
export function readLength(value: string | null | undefined): number | undefined {
  return value && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** Begins a request, within the bounds of the settings. Call it before anything asynchronous. */
export function openRequest(
  exchange: AppExchange,
  settings: Settings["http"],
  needs: RequestNeeds,
): AppRequest {
  const listeners: ((isComplete: boolean) => void)[] = [];
  const path = exchange.target.split("?", 1)[0] ?? "";
  let status = 0;
  let isRefused = false;
  const refuse = (code: FailureCode): void => {
    if (exchange.isDone()) return;
    isRefused = true;
    status = FAILURES[code].status;
    // The body may be of any length, and nobody wants it any more.
    exchange.refuse(problemOf(code, { close: true }));
  };
  const timers = [setTimeout(() => refuse("HTTP_TIMEOUT"), settings.answerMs)];
  exchange.onOver((isAborted) => {
    for (const timer of timers) clearTimeout(timer);
    needs.over(isAborted ? "aborted" : `${Math.floor(status / 100)}xx`);
    for (const listener of listeners.splice(0)) listener(!isAborted && !isRefused);
  });
  const body = openBody(exchange, settings, (code) => refuse(code));
  if (body) timers.push(setTimeout(body.late, settings.bodyMs));
  const { method, target, headers, address, encrypted } = exchange;
  return {
    ...{ method, target, headers, address, encrypted, body, refuse },
    isOver: exchange.isDone,
    abort: exchange.abort,
    begin(head) {
      clearTimeout(timers[0]);
      status = head.status;
      needs.begun(head);
      return exchange.begin(head);
    },
    failed(error) {
      needs.failed(error, { kind: "http", event: `${method} ${path}` });
      refuse("HANDLERS_FAILED");
    },
    onOver: (listener) => void listeners.push(listener),
  };
}

/** Returns the body of a request, if it has one, and refuses it above its bounds. */
function openBody(
  exchange: AppExchange,
  { bodyBytesMax }: Settings["http"],
  refuse: (code: FailureCode) => void,
): (AppBody & { late(): void }) | undefined {
  const length = readLength(findHeader(exchange.headers, "content-length"));
  const isChunked = findHeader(exchange.headers, "transfer-encoding") !== undefined;
  if (!isChunked && !length) return undefined;
  let bytes = 0;
  let isWhole = false;
  return {
    length,
    isWhole: () => isWhole,
    pause: exchange.pause,
    resume: exchange.resume,
    late: () => void (isWhole || refuse("HTTP_BODY_TOO_SLOW")),
    listen(chunk, end) {
      exchange.onChunk((part, last) => {
        bytes += part.byteLength;
        isWhole = last;
        if (bytes > bodyBytesMax) {
          refuse("HTTP_BODY_TOO_LARGE");
          return;
        }
        if (part.byteLength > 0) chunk(Buffer.from(part));
        if (last) end();
      });
    },
  };
}
