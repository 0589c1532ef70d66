import { connect, type Socket } from "node:net";
import { createClient, type Hub } from "../generator/client.ts";
import { createOrder } from "../generator/order.ts";
import { serve } from "../rig/rpc.ts";
import type { Delivery } from "../rig/scenario.ts";
import { createBodies, createMarkerReader, nowUs } from "../wire/marker.ts";

/** One round of the `api` scenario. */
export interface ApiLoad {
  readonly kind: "request" | "stream";
  readonly durationMs: number;
  readonly payload: number;
  /** Keep-alive connections, each with one request open at a time. */
  readonly connections: number;
  /** Emits that are sent in any case, however long it takes: what a compiler needs to settle. */
  readonly sentMin: number;
  /** Requests of all connections together in a second; without it, as many as are answered. */
  readonly ratePerS?: number;
}

/** What came of it. */
export interface ApiLoaded {
  readonly sent: number;
  readonly answered: number;
  readonly elapsedMs: number;
  readonly delivery: Delivery;
}

/** Lines that may be unanswered at once: enough to keep the server busy, few enough to bound it. */
const WINDOW_LINES = 20_000;
const BLOCK_LINES = 500;
/** A round is over when nothing has arrived for this long. */
const QUIET_MS = 2000;

let port = 0;
let secret = "";
let sequence = 0;
const order = createOrder();
/** Connections stay open from round to round, as those of a client do that lives. */
const pool: Socket[] = [];
const marker = createMarkerReader();

serve({
  async connect(options: { port: number; secret: string }) {
    ({ port, secret } = options);
    await joinRoom();
  },
  async load(load: ApiLoad): Promise<ApiLoaded> {
    const bodies = createBodies(load.payload);
    const first = sequence;
    order.begin(first);
    const body = () => `"event":"m","args":["${bodies(sequence++, nowUs())}"]`;
    const startedUs = nowUs();
    const isOver = () =>
      nowUs() - startedUs >= load.durationMs * 1000 && sequence - first >= load.sentMin;
    const answered =
      load.kind === "request"
        ? await sendRequests(load, isOver, () => `{"to":["r"],${body()}}`)
        : await sendStream(isOver, () => `{"do":"emit","to":["r"],${body()}}\n`);
    const elapsedMs = (nowUs() - startedUs) / 1000;
    const expected = sequence - first;
    await untilQuiet(() => order.received >= expected);
    const { received, lost, duplicated, reordered, next } = order;
    // Requests on many connections have no order among them; lines of one stream have.
    const unordered = load.kind === "request";
    return {
      ...{ sent: expected, answered, elapsedMs },
      delivery: {
        ...{ expected, received, duplicated },
        lost: lost + Math.max(0, sequence - next),
        reordered: unordered ? 0 : reordered,
      },
    };
  },
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuS: (user + system) / 1e6 };
  },
});

/** Connects the one member whose every message is checked. */
function joinRoom(): Promise<void> {
  return new Promise((resolve, reject) => {
    const hub: Hub = {
      buffer: Buffer.alloc(1 << 20),
      seenRead() {},
      take(_client, message, start, end) {
        const found = marker.read(message, start, end);
        if (found) order.note(marker.sequence);
        return found;
      },
      joined: () => resolve(),
      closed: (client) => reject(new Error(client.reason)),
    };
    const target = { host: "127.0.0.1", port, path: "/socket.io/", query: "rooms=r" };
    const options = { codec: "json", namespace: "/", auth: undefined, tls: false } as const;
    createClient({ ...options, target, role: "member", localAddress: undefined }, hub);
  });
}

const head = (path: string, fields: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${secret}\r\n${fields}\r\n`;

/** Sends requests until the time is over; resolves with the answers that said ok. */
async function sendRequests(
  load: ApiLoad,
  isOver: () => boolean,
  makeBody: () => string,
): Promise<number> {
  while (pool.length < load.connections) pool.push(await openConnection());
  const admit = createAdmission(load.ratePerS);
  const one = (socket: Socket) =>
    new Promise<number>((resolve, reject) => {
      let answered = 0;
      const send = () => {
        const body = makeBody();
        const fields = `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
        socket.write(head("/v1/emit", fields) + body);
      };
      socket.removeAllListeners("error").on("error", reject);
      socket.removeAllListeners("close").on("close", () => reject(new Error("it was closed")));
      socket.removeAllListeners("data").on("data", (chunk) => {
        answered += countAnswers(chunk);
        if (!isOver()) admit(send);
        else resolve(answered);
      });
      send();
    });
  const counts = await Promise.all(pool.map(one));
  return counts.reduce((sum, count) => sum + count, 0);
}

function openConnection(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.setNoDelay(true).on("error", reject);
  });
}

/** Returns what calls a function at once, or as soon as a fixed rate allows. */
function createAdmission(ratePerS: number | undefined): (send: () => void) => void {
  if (ratePerS === undefined) return (send) => send();
  const startedUs = nowUs();
  const waiting: (() => void)[] = [];
  let admitted = 0;
  const release = () => {
    const due = ((nowUs() - startedUs) / 1e6) * ratePerS;
    for (; admitted < due && waiting.length > 0; admitted++) waiting.shift()?.();
    if (waiting.length > 0) setTimeout(release, 1);
  };
  return (send) => {
    if (waiting.push(send) === 1) release();
  };
}

/** Streams lines until the time is over; resolves with the lines that were answered with ok. */
function sendStream(isOver: () => boolean, makeLine: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    const socket: Socket = connect(port, "127.0.0.1").setNoDelay(true);
    const pump = () => {
      while (!isOver() && sent - answered < WINDOW_LINES && socket.writableLength < 1 << 20) {
        let block = "";
        for (let i = 0; i < BLOCK_LINES; i++) block += makeLine();
        sent += BLOCK_LINES;
        socket.write(`${block.length.toString(16)}\r\n${block}\r\n`);
      }
      if (answered === sent && isOver()) socket.end("0\r\n\r\n", () => resolve(answered));
    };
    socket.on("error", reject);
    socket.on("drain", pump);
    socket.on("data", (chunk) => {
      answered += countAnswers(chunk);
      pump();
    });
    const fields = "content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n";
    socket.write(head("/v1/commands", fields));
    pump();
  });
}

/**
 * Answers end with `:true}`; the one that is cut by the end of a read is counted by its last byte.
 */
function countAnswers(chunk: Buffer): number {
  let count = 0;
  for (let at = chunk.indexOf(BRACE); at >= 0; at = chunk.indexOf(BRACE, at + 1)) count++;
  return count;
}

const BRACE = 0x7d;

async function untilQuiet(isDone: () => boolean): Promise<void> {
  let last = -1;
  let sinceUs = nowUs();
  while (!isDone()) {
    if (order.received !== last) {
      last = order.received;
      sinceUs = nowUs();
    } else if (nowUs() - sinceUs > QUIET_MS * 1000) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
