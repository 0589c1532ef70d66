import { readCoding } from "../core/body.ts";
import { FAILURES, type FailureCode, FailureError } from "../core/failures.ts";
import type { Exchange, ResponseStream } from "../core/http.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { TraceContext } from "../core/trace.ts";
import { createInput, type Input, type Place } from "./bodies.ts";
import { type Shared, senderOf } from "./commands.ts";
import type { Grant } from "./grants.ts";
import { type Lines, readLines, refuseAll, writeRefusal } from "./lines.ts";
import { MEDIA_TYPES } from "./media.ts";

/** Streams of commands. */
export interface Streams {
  /**
   * Serves one stream. Every line is a command or a list of commands, and gets one line with its
   * result, in the same order. Resolves with the status at the end, or `undefined` when the client
   * has gone. Rejects with the failure that keeps the stream from starting.
   */
  serve(
    exchange: Exchange,
    grant: Grant | Promise<Grant>,
    parent: TraceContext | undefined,
  ): Promise<number | undefined>;
  /** Ends every stream after the lines that are being carried out. */
  stop(): void;
}

type StreamSettings = Pick<Settings["api"], "bodyBytesMax" | "bodyMs">;

const NEWLINE = 0x0a;
const NONE = Buffer.alloc(0);

/** Returns the server of streams. */
export function createStreams(settings: StreamSettings, shared: Shared): Streams {
  const open = new Set<Stream>();
  return {
    async serve(exchange, grant, parent) {
      // Lines are carried out as they arrive, so a compressed stream would have to be inflated, and
      // bounded, piece by piece.
      if (readCoding(exchange.headers["content-encoding"]) !== "identity") {
        throw new FailureError("API_BAD_ENCODING");
      }
      const place = shared.bodies.enter(senderOf(grant));
      const stream = createStream(createInput(exchange), settings.bodyMs);
      open.add(stream);
      try {
        const granted = await grant;
        place.known();
        const unready = shared.ready();
        if (unready) throw new FailureError(unready);
        const out = exchange.stream(200, { "content-type": MEDIA_TYPES.ndjson });
        if (!out) return undefined;
        exchange.onAborted(stream.writable);
        out.onWritable(stream.writable);
        return await run(stream, out, { grant: granted, parent, settings, shared, place });
      } finally {
        stream.close();
        open.delete(stream);
        place.leave();
      }
    },
    stop() {
      for (const stream of open) stream.end("API_STOPPING");
    },
  };
}

/** One open stream. */
interface Stream {
  readonly input: Input;
  /** Why the gateway ended it; `undefined` while it has not. */
  readonly ended: FailureCode | undefined;
  /** Whether the gateway waits for the client to send or to read: only then does `bodyMs` count. */
  waiting: boolean;
  end(code: FailureCode): void;
  /** Call when the client reads again or has gone. */
  readonly writable: () => void;
  /** Resolves when the client reads again, has gone, or was too slow. */
  untilWritable(): Promise<void>;
  close(): void;
}

function createStream(input: Input, bodyMs: number): Stream {
  let ended: FailureCode | undefined;
  let waiting = true;
  let wake: (() => void) | undefined;
  const timer = setTimeout(() => {
    if (waiting) stream.end("API_BODY_TOO_SLOW");
    else timer.refresh();
  }, bodyMs);
  const stream: Stream = {
    input,
    get ended() {
      return ended;
    },
    get waiting() {
      return waiting;
    },
    set waiting(now) {
      waiting = now;
      timer.refresh();
    },
    end(code) {
      ended ??= code;
      input.end();
      stream.writable();
    },
    writable() {
      wake?.();
      wake = undefined;
    },
    untilWritable: () =>
      new Promise((resolve) => {
        wake = resolve;
      }),
    close: () => clearTimeout(timer),
  };
  return stream;
}

interface Running {
  readonly grant: Grant;
  /** The context that the client sent. Without one, each part of the stream begins a trace. */
  readonly parent: TraceContext | undefined;
  readonly settings: StreamSettings;
  readonly shared: Shared;
  readonly place: Place;
}

async function run(
  stream: Stream,
  out: ResponseStream,
  running: Running,
): Promise<number | undefined> {
  const carry = createCarry();
  for (;;) {
    stream.waiting = true;
    const arrived = await stream.input.next();
    stream.waiting = false;
    if (arrived === "gone") return undefined;
    if (arrived === "ended") return end(out, { code: stream.ended });
    for (const lines of read(carry.take(arrived.bytes, arrived.last), running)) {
      if (running.grant.isOver()) {
        const why = { code: "API_UNAUTHENTICATED", detail: "the token has expired" } as const;
        return end(out, { ...why, isRead: arrived.last });
      }
      const results = await applyLines(lines, running);
      if (results === "" || out.write(results)) continue;
      stream.waiting = true;
      await stream.untilWritable();
      stream.waiting = false;
      if (stream.ended === "API_BODY_TOO_SLOW") {
        // The client does not read, so a last line with the failure would never be sent.
        out.abort();
        return FAILURES.API_BODY_TOO_SLOW.status;
      }
    }
    if (arrived.last) return end(out, { isRead: true });
    if (carry.bytes > running.settings.bodyBytesMax)
      return end(out, { code: "API_BODY_TOO_LARGE" });
    if (!running.place.hold(carry.bytes)) return end(out, { code: "API_BUSY" });
  }
}

// Holds the start of a line whose end has not arrived. Chunks are joined once per line: joining at
// every chunk would cost the square of the line's length.
function createCarry() {
  let parts: Buffer[] = [];
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    /** Returns all whole lines there are now. The last line of the body needs no newline. */
    take(chunk: Buffer, last: boolean): Buffer {
      const end = last ? chunk.length : chunk.lastIndexOf(NEWLINE) + 1;
      const whole = end > 0 || last ? Buffer.concat([...parts, chunk.subarray(0, end)]) : NONE;
      if (end > 0 || last) {
        parts = [];
        bytes = 0;
      }
      const rest = chunk.subarray(end);
      if (rest.length > 0) parts.push(rest);
      bytes += rest.length;
      return whole;
    },
  };
}

/** How a stream ends. */
interface End {
  /** Why the gateway ended it, if it did. */
  readonly code?: FailureCode | undefined;
  readonly detail?: string;
  /** The request was read to its end, so that its connection can carry another. */
  readonly isRead?: boolean;
}

/** Ends a stream, and returns its status. */
function end(out: ResponseStream, { code, detail, isRead = false }: End): number {
  if (code !== undefined) out.write(writeRefusal(new FailureError(code, detail)));
  out.end(!isRead);
  return code === undefined ? 200 : FAILURES[code].status;
}

function read(bytes: Buffer, { grant, settings }: Running): Lines[] {
  return bytes.length === 0 ? [] : readLines(bytes, settings.bodyBytesMax, grant);
}

async function applyLines(lines: Lines, { shared, parent }: Running): Promise<string> {
  if (lines.commands.length === 0) return lines.write([]);
  const unready = shared.ready();
  const results = unready
    ? refuseAll(lines.commands, unready)
    : await shared.apply(lines.commands, "api", parent);
  return lines.write(results);
}
