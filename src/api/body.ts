import { createByteBuffer } from "../core/byte-buffer.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Exchange } from "../core/http.ts";
import { type Coding, inflateBody, readCoding } from "../core/inflate.ts";

/**
 * Reads request bodies, all of them bounded together. Those whose sender is still being checked
 * have as many places of their own: while a key set does not answer, false tokens keep nobody else
 * out.
 */
export interface Bodies {
  /** Bodies and streams that are open now. */
  readonly open: number;
  /** Bytes of those that have arrived. */
  readonly bytes: number;
  /**
   * Begins to read a whole body, inflated. To be called before the handler returns. Throws API_BUSY
   * when there is no place, and API_BAD_ENCODING.
   */
  read(exchange: Exchange, sender: Sender): Reading;
  /** Takes a place among the open ones, for a stream; throws API_BUSY when there is none. */
  enter(sender: Sender): Place;
}

/** Whether it is known who sends a body, and that he may. */
export type Sender = "known" | "checked";

/** A body that is being read. */
export interface Reading {
  /**
   * Resolves with the whole body, or `undefined` when the client has gone. Rejects with
   * API_BODY_TOO_LARGE, API_BODY_TOO_SLOW or API_BAD_BODY.
   */
  readonly body: Promise<Buffer | undefined>;
  /** Its sender is known now. Throws API_BUSY when there is no place among those of the known. */
  known(): void;
  /** Nobody wants it any more. */
  cancel(): void;
}

/** A place among the open bodies. */
export interface Place {
  /** Its sender is known now. Throws API_BUSY when there is no place among those of the known. */
  known(): void;
  /** So many bytes are held for it now; false when all bodies together would hold too many. */
  hold(bytes: number): boolean;
  /** Gives it back; once or more. */
  leave(): void;
}

/** The bounds of bodies, from the section `api`. */
export interface BodySettings {
  readonly bodyBytesMax: number;
  readonly bodyMs: number;
  readonly bodiesMax: number;
  readonly bodiesBytesMax: number;
}

/** Returns a reader of bodies. */
export function createBodies(settings: BodySettings): Bodies {
  const open = { known: 0, checked: 0 };
  const held = { known: 0, checked: 0 };

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
        if (at !== "checked") return;
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
      return open.known + open.checked;
    },
    get bytes() {
      return held.known + held.checked;
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
  /** All has arrived; it is over once it is inflated. */
  async function conclude(): Promise<void> {
    const given = body.bytes();
    // It may become as large as one may be, and that is taken before it does.
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
  promise.catch(() => {}); // whoever awaits it may be waiting for something else first
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

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function defer<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
