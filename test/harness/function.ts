import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TestContext } from "node:test";

/** The secret that tests sign with. */
export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwTheEnd0=";

/** A request as a function received it. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The parsed body. */
  readonly json: Json;
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads whatever was sent.
type Json = any;

/** What a function answers: a status with a body, or the answer taken over by hand. */
export type Answering =
  | { readonly status?: number; readonly headers?: Record<string, string>; readonly body?: unknown }
  | ((response: ServerResponse) => void);

/** A real HTTP server in the place of a function. */
export interface TestFunction {
  readonly url: string;
  readonly received: Received[];
  /** Requests whose answer is not over. */
  readonly open: number;
  /** The most there were at once. */
  readonly openMax: number;
  /** What the next requests are answered with. */
  answer: (request: Received) => Answering | Promise<Answering>;
  close(): Promise<void>;
}

/** Starts a function that answers 200 with nothing until told otherwise; it ends with the test. */
export async function startFunction(
  t: TestContext,
  answer: TestFunction["answer"] = () => ({}),
  port = 0,
): Promise<TestFunction> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    fn.open++;
    fn.openMax = Math.max(fn.openMax, fn.open);
    response.once("close", () => {
      fn.open--;
    });
    incoming.on("data", (chunk: Buffer) => void chunks.push(chunk));
    incoming.once("end", async () => {
      const body = Buffer.concat(chunks);
      const { url: path = "", headers } = incoming;
      const request: Received = { path, headers, body, json: JSON.parse(String(body)) };
      received.push(request);
      const answering = await fn.answer(request);
      if (typeof answering === "function") return answering(response);
      const { status = 200, headers: more, body: said } = answering;
      const text = said === undefined ? "" : typeof said === "string" ? said : JSON.stringify(said);
      response.writeHead(status, more).end(text);
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  const taken = typeof address === "object" && address !== null ? address.port : 0;
  const close = () =>
    new Promise<void>((resolve) => {
      if (!server.listening) return resolve();
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  t.after(close);
  const fn = { url: `http://127.0.0.1:${taken}`, received, open: 0, openMax: 0, answer, close };
  return fn;
}

/** A gate that answers wait at until it is opened. */
export function createGate(): { readonly passed: Promise<void>; open(): void } {
  let open: () => void = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
