import type { AppResponse, HeaderPairs } from "../core/http.ts";
import { type Adapter, type AppRequest, findHeader, openEvents, readLength } from "./request.ts";

/** What a handler is told beside the request. */
export interface FetchInfo {
  /** The client's address; behind the proxies of `socket.trustProxy` the one that they name. */
  readonly address: string;
}

/** A handler of Web requests, such as the `fetch` of Hono or itty-router. */
export type FetchHandler = (request: Request, info: FetchInfo) => Response | PromiseLike<Response>;

/** Returns the way to a handler of Web requests. */
export function createFetchHandler(fetch: FetchHandler): Adapter {
  return (request) => void answer(request, fetch);
}

async function answer(request: AppRequest, fetch: FetchHandler): Promise<void> {
  const gone = new AbortController();
  request.onOver((isComplete) => {
    if (!isComplete) gone.abort();
  });
  const asked = createRequest(request, gone.signal);
  if (!asked) {
    request.refuse("HTTP_BAD_REQUEST");
    return;
  }
  let body: ReadableStream<Uint8Array> | undefined;
  try {
    const response: unknown = await fetch(asked, { address: request.address });
    if (!isResponse(response)) throw new TypeError("fetch must return a Response");
    body = response.body ?? undefined;
    await send(request, response);
  } catch (error) {
    // The handler has heard that the client is gone.
    if (!gone.signal.aborted || !isAbort(error)) request.failed(error);
  }
  // What nobody reads: of HEAD, or for a client that is gone.
  if (body && !body.locked) await body.cancel().catch(() => {});
}

const isAbort = (error: unknown) => error instanceof Error && error.name === "AbortError";

// Not `instanceof`: frameworks and other versions of undici bring classes of their own.
function isResponse(given: unknown): given is Response {
  const { status, headers } = Object(given) as Partial<Response>;
  return typeof status === "number" && typeof headers?.forEach === "function";
}

/** Returns undefined for a request that cannot be a Web one. */
function createRequest(request: AppRequest, signal: AbortSignal): Request | undefined {
  const { method, target, headers, encrypted } = request;
  const host = findHeader(headers, "host") || "localhost";
  const url = `${encrypted ? "https" : "http"}://${host}${target}`;
  // A Web request with these methods can have none.
  const hasBody = method !== "GET" && method !== "HEAD";
  // A copy, because HeadersInit is not readonly.
  const own = headers.map(([name, value]): [string, string] => [name, value]);
  const init: RequestInit & { duplex?: "half" } = { method, headers: own, signal };
  if (hasBody && request.body) {
    init.body = createBody(request);
    init.duplex = "half";
  } else {
    request.body?.listen(
      () => {},
      () => {},
    );
  }
  try {
    return new Request(url, init);
  } catch {
    return undefined;
  }
}

/** Bytes of a body that are read before the handler asks for them. */
const READ_AHEAD_BYTES = 65_536;

function createBody({ body, onOver }: AppRequest): ReadableStream<Uint8Array> {
  let isOpen = true;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        body?.listen(
          (bytes) => {
            if (!isOpen) return;
            controller.enqueue(bytes);
            if ((controller.desiredSize ?? 0) <= 0) body.pause();
          },
          () => {
            if (isOpen) controller.close();
            isOpen = false;
          },
        );
        onOver(() => {
          if (isOpen) controller.error(new DOMException("the request is over", "AbortError"));
          isOpen = false;
        });
      },
      pull: () => body?.resume(),
      cancel() {
        isOpen = false;
        body?.resume(); // the rest is read, and dropped
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: READ_AHEAD_BYTES }),
  );
}

async function send(request: AppRequest, response: Response): Promise<void> {
  const { status, statusText: reason } = response;
  if (status < 200) throw new RangeError(`fetch returned a Response with status ${status}`);
  const headers: HeaderPairs = [...response.headers];
  const told = readLength(response.headers.get("content-length"));
  const reader = (response.body as ReadableStream<unknown> | null)?.getReader();
  if (!reader) {
    // The answer to HEAD tells the length of what GET would get, or none.
    const length = request.method === "HEAD" ? told : 0;
    request.begin({ status, reason, headers, length })?.end();
    return;
  }
  request.onOver(() => void reader.cancel().catch(() => {}));
  if (request.isOver()) {
    await reader.cancel();
    return;
  }
  const reads = [reader.read(), reader.read()];
  // What is rejected is heard below, if nothing ends the response before.
  for (const read of reads) read.catch(() => {});
  const { isLate, length: found } = await findLength(reads);
  const length = told ?? found;
  const head = { status, reason, headers, length };
  const out = request.begin(head);
  if (request.method === "HEAD") out?.end();
  else if (out) {
    if (isLate) openEvents(out, head);
    await pipe({ reads, reader, length }, out, request);
  }
}

type Read = ReadableStreamReadResult<unknown>;

/**
 * Finds the length of a body that was given as a whole: it has ended within two reads, by the next
 * turn of the loop. Of another, such as server-sent events, tells whether its first bytes are late.
 */
async function findLength(
  reads: readonly Promise<Read>[],
): Promise<{ readonly length?: number; readonly isLate: boolean }> {
  const turn = new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
  let length = 0;
  for (const read of reads) {
    const got = await Promise.race([read, turn]);
    if (!got) return { isLate: read === reads[0] };
    if (got.done) return { length, isLate: false };
    length += bytesOf(got.value).byteLength;
  }
  return { isLate: false };
}

function bytesOf(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError("the body of a Response must be of bytes");
}

/** Sends a body as fast as the client reads it. */
async function pipe(
  body: {
    /** Reads that are under way already. */
    readonly reads: Promise<Read>[];
    readonly reader: ReadableStreamDefaultReader<unknown>;
    readonly length: number | undefined;
  },
  out: AppResponse,
  request: AppRequest,
): Promise<void> {
  let wake = (): void => {};
  out.onWritable(() => wake());
  request.onOver(() => wake());
  let left = body.length ?? Number.POSITIVE_INFINITY;
  const next = () => body.reads.shift() ?? body.reader.read();
  let read = await next();
  while (!read.done && !request.isOver()) {
    const chunk = bytesOf(read.value);
    left -= chunk.byteLength;
    if (left < 0) throw new RangeError("the body of a Response is longer than its content-length");
    if (!out.write(chunk) && !request.isOver()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    read = await next();
  }
  out.end();
}
