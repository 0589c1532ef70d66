import { openTcp, type Tcp, WireEnded } from "./wire-tcp.ts";

/** One HTTP/1.1 answer as it came over the wire. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; repeated headers joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A request; nothing is added but Host and, with a body, its Content-Length. */
export interface HttpAsk {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** Returns the bytes of a well-formed request. */
export function formatRequest(ask: HttpAsk): Buffer {
  const body = ask.body === undefined ? undefined : Buffer.from(ask.body);
  const headers: Record<string, string> = { host: "localhost" };
  if (body) headers["content-length"] = String(body.length);
  Object.assign(headers, ask.headers);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${ask.method ?? "GET"} ${ask.path} HTTP/1.1\r\n${lines.join("")}\r\n`;
  return body ? Buffer.concat([Buffer.from(head), body]) : Buffer.from(head);
}

/** Reads one answer and leaves the connection where the next one begins. */
export async function readAnswer(tcp: Tcp, method = "GET"): Promise<HttpAnswer> {
  const { status, headers } = parseHead((await tcp.readThrough("\r\n\r\n")).toString("latin1"));
  const bodiless = method === "HEAD" || status === 101 || status === 204 || status === 304;
  const body = bodiless ? "" : await readBody(tcp, headers);
  return { status, headers, body };
}

/** Reads the head of an answer; throws if it is none. */
export function parseHead(head: string): Omit<HttpAnswer, "body"> {
  const [first = "", ...lines] = head.trimEnd().split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? Number.NaN);
  if (Number.isNaN(status)) throw new Error(`not an HTTP answer: ${JSON.stringify(first)}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const name = line.slice(0, line.indexOf(":")).toLowerCase();
    const value = line.slice(line.indexOf(":") + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return { status, headers };
}

/** Reads that many answers, one after another. */
export async function readAnswers(tcp: Tcp, count: number, method = "GET"): Promise<HttpAnswer[]> {
  const answers: HttpAnswer[] = [];
  while (answers.length < count) answers.push(await readAnswer(tcp, method));
  return answers;
}

async function readBody(tcp: Tcp, headers: HttpAnswer["headers"]): Promise<string> {
  if (headers["transfer-encoding"] === "chunked") {
    const parts: Buffer[] = [];
    for (;;) {
      const line = (await tcp.readThrough("\r\n")).toString("latin1");
      const size = /^[\da-f]+\r\n$/i.test(line) ? Number.parseInt(line, 16) : Number.NaN;
      const part = await tcp.read(size + 2);
      const isEnded = part.toString("latin1", size) === "\r\n";
      if (!isEnded) throw new Error(`not an end of a chunk: ${JSON.stringify(`${part}`)}`);
      if (size === 0) return Buffer.concat(parts).toString();
      parts.push(part.subarray(0, size));
    }
  }
  if (headers["content-length"] !== undefined) {
    return (await tcp.read(Number(headers["content-length"]))).toString();
  }
  return (await tcp.ended()).toString();
}

/** Sends one request on a connection of its own and returns the answer. */
export async function request(port: number, ask: HttpAsk): Promise<HttpAnswer> {
  const tcp = await openTcp(port);
  try {
    tcp.write(formatRequest(ask));
    return await readAnswer(tcp, ask.method);
  } finally {
    tcp.close();
  }
}

/** What became of bytes that are not a proper request: an answer's status, or a closed connection. */
export async function answerOrEnd(tcp: Tcp): Promise<number | "ended"> {
  try {
    return (await readAnswer(tcp)).status;
  } catch (error) {
    if (error instanceof WireEnded) return "ended";
    throw error;
  }
}
