import { type Coding, createByteBuffer, inflateBody, readCoding } from "../core/body.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Exchange } from "../core/http.ts";
import type { Settings } from "../core/settings-shape.ts";

/**
 * Reads request bodies, within bounds for all of them together.
 *
 * Bodies whose sender is still being checked are counted apart, against bounds of the same size.
 * Otherwise, while a key set does not answer, requests with false tokens would take every place.
 */
export interface Bodies {
  /** Bodies and streams that are open now. */
  readonly open: number;
  /** Bytes that are held for them. */
  readonly bytes: number;
  /**
   * Begins to read a whole body and to inflate it. Call it before the handler returns, or the
   * first chunk is lost. Throws API_BUSY when there is no place, and API_BAD_ENCODING.
   */
  read(exchange: Exchange, sender: Sender): Reading;
  /** Takes a place for a stream. Throws API_BUSY when there is none. */
  enter(sender: Sender): Place;
}

/** Whether the sender of a body is known, or its token is still being checked. */
export type Sender = "known" | "checking";

/** A body that is being read. */
export interface Reading {
  /**
   * Resolves with the whole body, or `undefined` when the client has gone. Rejects with
   * API_BODY_TOO_LARGE, API_BODY_TOO_SLOW or API_BAD_BODY.
   */
  readonly body: Promise<Buffer | undefined>;
  /** Call when the check has succeeded. Throws API_BUSY when known senders fill every place. */
  known(): void;
  /** Stops reading and gives the place back. */
  cancel(): void;
}

/** A place among the open bodies. */
export interface Place {
  /** Call when the check has succeeded. Throws API_BUSY when known senders fill every place. */
  known(): void;
  /** Sets how many bytes it holds. Returns false if all bodies together would hold too many. */
  hold(bytes: number): boolean;
  /** Gives the place back. Further calls do nothing. */
  leave(): void;
}

type BodySettings = Pick<
  Settings["api"],
  "bodyBytesMax" | "bodyMs" | "bodiesMax" | "bodiesBytesMax"
>;

/** Returns a reader of bodies. */
export function createBodies(settings: BodySettings): Bodies {
  const open = { known: 0, checking: 0 };
  const held = { known: 0, checking: 0 };

  function take(sender: Sender, bytes: number): void {
    const isFull = open[sender] >= settings.bodiesMax;
    if (isFull || held[sender] + bytes > settings.bodiesBytesMax)
      throw new FailureError("API_BUSY");
    open[sender]++;
    held[sender] += bytes;
  }
  function enter(sender: Sender): Place {
    take(sender, 0);
    let at: Sender | undefined = sender;
    let own = 0;
    const leave = (): void => {
      if (at) {
        open[at]--;
        held[at] -= own;
      }
      at = undefined;
    };
    return {
      known() {
        if (at !== "checking") return;
        leave();
        take("known", own);
        at = "known";
      },
      hold(bytes) {
        if (!at) return true;
        if (held[at] + bytes - own > settings.bodiesBytesMax) return false;
        held[at] += bytes - own;
        own = bytes;
        return true;
      },
      leave,
    };
  }

  return {
    get open() {
      return open.known + open.checking;
    },
    get bytes() {
      return held.known + held.checking;
    },
    enter,
    read(exchange, sender) {
      const coding = readCoding(exchange.headers["content-encoding"]);
      if (!coding) throw new FailureError("API_BAD_ENCODING");
      return readWhole(exchange, settings, { coding, place: enter(sender) });
    },
  };
}

function readWhole(
  exchange: Exchange,
  settings: BodySettings,
  { coding, place }: { readonly coding: Coding; readonly place: Place },
): Reading {
  const { promise, resolve, reject } = defer<Buffer | undefined>();
  const body = createByteBuffer(settings.bodyBytesMax);
  let over = false;
  const timer = setTimeout(() => refuse("API_BODY_TOO_SLOW"), settings.bodyMs);
  function finish(): void {
    over = true;
    clearTimeout(timer);
    place.leave();
  }
  function refuse(code: FailureCode, detail?: string): void {
    finish();
    body.drop();
    reject(new FailureError(code, detail));
  }
  /** Called when all of the body has arrived. */
  async function conclude(): Promise<void> {
    const given = body.bytes();
    // Reserve room for the largest inflated body before inflating: its size is not known yet.
    const most = Math.min(given.length + settings.bodyBytesMax, settings.bodiesBytesMax);
    if (coding !== "identity" && !place.hold(most)) return refuse("API_BUSY");
    const whole = await inflateBody(given, coding, settings.bodyBytesMax);
    if (over) return;
    if (whole === "too_large") return refuse("API_BODY_TOO_LARGE");
    if (whole === "broken") return refuse("API_BAD_BODY", `it is not ${coding}`);
    finish();
    resolve(whole);
  }
  function cancel(): void {
    finish();
    body.drop();
    resolve(undefined);
  }
  // The caller may still be awaiting the grant when this rejects: without this line that would be
  // an unhandled rejection.
  promise.catch(() => {});
  if (Number(exchange.headers["content-length"] ?? 0) > settings.bodyBytesMax) {
    refuse("API_BODY_TOO_LARGE");
    return { body: promise, known: place.known, cancel };
  }
  exchange.onAborted(cancel);
  exchange.onChunk((chunk, last) => {
    if (over) return;
    if (!body.add(chunk)) refuse("API_BODY_TOO_LARGE");
    else if (!place.hold(body.length)) refuse("API_BUSY");
    else if (last) void conclude();
  });
  return { body: promise, known: place.known, cancel };
}

function defer<T>() {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** What has arrived of a streamed body since the last call of `next`. */
type Arrived =
  | { readonly bytes: Buffer; readonly last: boolean }
  /** Nothing more will arrive: the client has gone, or `end` was called. */
  | "gone"
  | "ended";

/** A body that is read as it arrives. */
export interface Input {
  /** Resolves with everything that has arrived; if nothing has, with the next chunk. */
  next(): Promise<Arrived>;
  /** Makes `next` resolve with "ended" from now on. */
  end(): void;
}

/** Unread bytes above which the connection is paused. */
const WAITING_BYTES_MAX = 65_536;

/**
 * Begins to read a body as it arrives. Call it before the handler returns, or the first chunk is
 * lost.
 */
export function createInput(exchange: Exchange): Input {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let last = false;
  let over: "gone" | "ended" | undefined;
  let wake: (() => void) | undefined;

  function arrive(): void {
    const waiting = wake;
    wake = undefined;
    waiting?.();
  }
  exchange.onAborted(() => {
    over = "gone";
    arrive();
  });
  exchange.onChunk((chunk, isLast) => {
    // Copy: the chunk's bytes are valid during this call only.
    if (chunk.length > 0) chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    last = isLast;
    if (bytes > WAITING_BYTES_MAX) exchange.pause();
    arrive();
  });

  return {
    async next() {
      if (chunks.length === 0 && !last && !over) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (over) return over;
      const [only] = chunks;
      const arrived = {
        bytes: chunks.length === 1 && only ? only : Buffer.concat(chunks, bytes),
        last,
      };
      chunks = [];
      bytes = 0;
      exchange.resume();
      return arrived;
    },
    end() {
      over ??= "ended";
      arrive();
    },
  };
}
