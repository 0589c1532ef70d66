import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { setTimeout as later } from "node:timers/promises";
import type { PartialSettings } from "../../src/core/settings.ts";
import type { GatewayNeeds } from "../../src/gateway/gateway.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";

/** What a handler of a test saw of its requests. */
export interface Seen {
  /** Paths whose clients left, or were cut off, before the end of the response. */
  readonly gone: string[];
  /** Bytes that were read of a body whose handler reads slowly. */
  read: number;
}

/** The forms of a handler. */
export const FORMS = ["fetch", "http"] as const;

/** Starts a gateway with one handler in one of its forms. Both forms do the same. */
export async function startWith(
  t: TestContext,
  form: (typeof FORMS)[number],
  settings: PartialSettings = {},
): Promise<TestGateway & { readonly seen: Seen; readonly logged: string[] }> {
  const seen: Seen = { gone: [], read: 0 };
  const logged: string[] = [];
  const log: GatewayNeeds["log"] = (level, { component, ...fields }, line) =>
    logged.push(`${level} ${component} ${line} ${JSON.stringify(fields)}`);
  const handler = form === "fetch" ? { fetch: createFetch(seen) } : { http: createListener(seen) };
  const gateway = await testGateway(t, settings, { log, ...handler });
  return { ...gateway, seen, logged };
}

/** A piece of a body that is streamed. */
export const PIECE = Buffer.alloc(65_536, "x");
/** Pieces of a body that is too long for the kernel's buffers. */
export const PIECES = 512;

function createFetch(seen: Seen) {
  return async (request: Request, { address }: { address: string }): Promise<Response> => {
    const { pathname, search, protocol } = new URL(request.url);
    request.signal.addEventListener("abort", () => seen.gone.push(pathname));
    switch (pathname) {
      case "/echo":
        return new Response(request.body, { headers: { "content-type": "application/x-echo" } });
      case "/about": {
        const { method, headers } = request;
        return Response.json({ method, search, protocol, address, cookie: headers.get("cookie") });
      }
      case "/cookies": {
        const headers = new Headers({ "x-own": "é" });
        headers.append("set-cookie", "a=1");
        headers.append("set-cookie", "b=2");
        return new Response("cookies", { headers, status: 201, statusText: "Well Made" });
      }
      case "/none":
        return new Response(null, { status: 204 });
      case "/unchanged":
        return new Response(null, { status: 304, headers: { etag: '"1"' } });
      case "/throw":
        throw new Error("thrown by a test");
      case "/never":
        return new Promise(() => {});
      case "/stream":
        return new Response(createPieces());
      case "/events":
        return new Response(createEvents(), { headers: { "content-type": "text/event-stream" } });
      case "/slow":
        for await (const chunk of request.body ?? []) {
          seen.read += chunk.byteLength;
          await later(1);
        }
        return new Response(`${seen.read}`);
      case "/break":
        return new Response(breakOff());
      case "/late":
        await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
        return new Response("too late");
      default:
        return new Response(`nothing at ${pathname}`, { status: 404 });
    }
  };
}

function createPieces(): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent++ === PIECES) controller.close();
      else controller.enqueue(PIECE);
    },
  });
}

function createEvents(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(Buffer.from("data: first\n\n")),
  });
}

function breakOff(): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    async pull(controller) {
      if (sent++ === 0) return controller.enqueue(PIECE);
      await new Promise((resolve) => setImmediate(resolve));
      controller.error(new Error("broken by a test"));
    },
  });
}

function createListener(seen: Seen) {
  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const url = req.url ?? "";
    const [pathname = "", search = ""] = url.split(/(?=\?)/);
    res.on("close", () => {
      if (!res.writableFinished) seen.gone.push(pathname);
    });
    switch (pathname) {
      case "/echo":
        res.setHeader("content-type", "application/x-echo");
        req.pipe(res);
        return;
      case "/about": {
        const { remoteAddress: address, encrypted } = req.socket as typeof req.socket & {
          encrypted?: boolean;
        };
        const protocol = encrypted ? "https:" : "http:";
        const { method, headers } = req;
        const about = { method, search, protocol, address, cookie: headers.cookie ?? null };
        res.setHeader("content-type", "application/json");
        res.end(JSON.stringify(about));
        return;
      }
      case "/cookies":
        res.setHeader("x-own", "é");
        res.setHeader("set-cookie", ["a=1", "b=2"]);
        res.statusCode = 201;
        res.statusMessage = "Well Made";
        // Node.js writes headers in the encoding of a text that follows at once.
        res.end(Buffer.from("cookies"));
        return;
      case "/none":
        res.writeHead(204).end();
        return;
      case "/unchanged":
        res.writeHead(304, { etag: '"1"' }).end();
        return;
      case "/throw":
        throw new Error("thrown by a test");
      case "/never":
      case "/late":
        return;
      case "/stream":
        Readable.from(Array.from({ length: PIECES }, () => PIECE)).pipe(res);
        return;
      case "/events":
        res.writeHead(200, { "content-type": "text/event-stream" });
        res.write("data: first\n\n");
        return;
      case "/slow":
        for await (const chunk of req) {
          seen.read += chunk.byteLength;
          await later(1);
        }
        res.end(`${seen.read}`);
        return;
      case "/break":
        res.write(PIECE);
        setImmediate(() => res.destroy());
        return;
      default:
        res.writeHead(404).end(`nothing at ${pathname}`);
    }
  };
}

/** Reads the text of a stream that fails in the middle; resolves with the error. */
export async function failureOf(body: ReadableStream<Uint8Array> | null): Promise<unknown> {
  try {
    return await text(body as never);
  } catch (error) {
    return error;
  }
}
