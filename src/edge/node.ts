/**
 * Node's http in front of a `fetch` handler. Nothing of Node is imported: the interfaces are the
 * parts of its classes that are used.
 *
 * @module sluice/edge/node
 */
import { BODY_BYTES_MAX, gather } from "./body.ts";

/** What is used of `http.IncomingMessage`, and of the requests of frameworks on it. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  /** The request's method. Default: GET. */
  readonly method?: string | undefined;
  /** The request's path and query, or its whole address. Default: `/`. */
  readonly url?: string | undefined;
  /** The request's headers; names are in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Whether the body has been read. */
  readonly readableEnded: boolean;
}

/** What is used of `http.ServerResponse`. */
export interface NodeResponse {
  /** The response's status. */
  statusCode: number;
  /** Sets a header of the response. */
  setHeader(name: string, value: string | readonly string[]): unknown;
  /** Sends the response with this body. */
  end(body: Uint8Array): unknown;
}

/** Options of {@link toNodeListener}. */
export interface NodeOptions {
  /** The largest body that is read. Default: 4194304 bytes. */
  readonly bodyBytesMax?: number | undefined;
  /** Called with what the handler throws; the caller gets a 500. Default: `console.error`. */
  readonly failed?: ((error: unknown) => void) | undefined;
}

/**
 * Returns a listener for `http.createServer`, or a route of Express and the like, that answers with
 * what a `fetch` handler returns.
 *
 * The body is read as it came, because its bytes are signed. More than `bodyBytesMax` is answered
 * with 413, and a request that is not one for the Web's `Request` with 400. If a body parser has
 * read the body, it must have left the bytes as `rawBody` or `body`: otherwise the answer is 500.
 * The promise resolves when the response was handed to Node; it never rejects.
 */
export function toNodeListener(
  handler: (request: Request) => Response | Promise<Response>,
  { bodyBytesMax = BODY_BYTES_MAX, failed = console.error }: NodeOptions = {},
): (incoming: NodeRequest, outgoing: NodeResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    try {
      // A body that ends too early has nobody left who would get an answer.
      const body = await gather(chunksOf(incoming), bodyBytesMax).catch(() => undefined);
      // What is left unread cannot be followed by another request.
      if (!body) outgoing.setHeader("connection", "close");
      const request = body ? toRequest(incoming, body) : 413;
      const response =
        typeof request === "number"
          ? new Response(null, { status: request })
          : await handler(request);
      await write(outgoing, response);
    } catch (error) {
      failed(error);
      await write(outgoing, new Response(null, { status: 500 }));
    }
  };
}

function chunksOf(incoming: NodeRequest): () => Promise<Uint8Array | undefined> {
  const { rawBody, body } = incoming as { readonly rawBody?: unknown; readonly body?: unknown };
  const parsed = [rawBody, body].find((one) => one instanceof Uint8Array);
  if (parsed) {
    const chunks = [parsed];
    return async () => chunks.pop();
  }
  if (incoming.readableEnded) {
    throw new Error("something has read the body before, such as a body parser");
  }
  // Not by `for await`: to leave that early ends the connection, before the 413 is sent.
  const chunks = incoming[Symbol.asyncIterator]();
  return async () => {
    const { done, value } = await chunks.next();
    return done ? undefined : value;
  };
}

/** Returns the request, or the status to answer it with. */
function toRequest(incoming: NodeRequest, body: Uint8Array<ArrayBuffer>): Request | number {
  const { method = "GET", url = "/" } = incoming;
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      // HTTP/2 has the request line among its headers, as `:method` and the like.
      if (value !== undefined && !name.startsWith(":")) headers.set(name, String(value));
    }
    const { host = "localhost" } = incoming.headers;
    return new Request(url.startsWith("/") ? `http://${host}${url}` : url, {
      method,
      headers,
      body: method === "GET" || method === "HEAD" ? null : body,
    });
  } catch {
    return 400;
  }
}

async function write(outgoing: NodeResponse, response: Response): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  outgoing.end(body);
}
