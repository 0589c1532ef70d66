import { createServer } from "node:http";
import { type Client, createClient, type Hub } from "../generator/client.ts";
import { createOrder, type Order } from "../generator/order.ts";
import { serve } from "../rig/rpc.ts";
import { createBodies, nowUs } from "../wire/marker.ts";
import { eventFrame } from "../wire/packets.ts";
import type { BatchLoad, BatchLoaded } from "./batches-load.ts";

/** Events of one socket that may be under way. */
const DEPTH = 100;
/** A round is over when nothing has arrived for this long. */
const QUIET_MS = 3000;

interface Call {
  readonly args: readonly [index: number, sequence: number, body: string];
}

// The function and the clients share a process, so that what has arrived is known without a message.
const clients: Client[] = [];
let orders: Order[] = [];
let requests = 0;

serve({
  listen: () => listen(),
  connect: (options: { port: number; connections: number }) => connect(options),
  begin(connections: number) {
    orders = Array.from({ length: connections }, createOrder);
    for (const order of orders) order.begin(0);
    requests = 0;
  },
  load: (load: BatchLoad) => send(load),
  result: (sent: readonly number[]) => result(sent, 0),
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuS: (user + system) / 1e6 };
  },
});

/** The function: notes each event in its socket's order and answers nothing. */
function listen(): Promise<number> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => void chunks.push(chunk));
    request.once("end", () => {
      requests++;
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
      // The gateway's own bodies, and the control's in the same shape.
      for (const { data } of body as { readonly data: Call }[])
        orders[data.args[0]]?.note(data.args[1]);
      response.writeHead(204).end();
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });
}

function connect({ port, connections }: { port: number; connections: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    let joined = 0;
    const hub: Hub = {
      buffer: Buffer.alloc(1 << 20),
      seenRead() {},
      take: () => false,
      joined() {
        if (++joined === connections) resolve();
      },
      closed: (client) => reject(new Error(client.reason)),
    };
    const target = { host: "127.0.0.1", port, path: "/socket.io/", query: "" };
    const options = { codec: "msgpack", namespace: "/", auth: undefined, tls: false } as const;
    for (let index = 0; index < connections; index++) {
      const more = { target, role: "sender", localAddress: undefined } as const;
      clients.push(createClient({ ...options, ...more }, hub));
    }
  });
}

/** Keeps every socket's window full until the time is over; resolves when all has arrived. */
async function send(load: BatchLoad): Promise<BatchLoaded> {
  const bodies = createBodies(load.payload);
  const sent = clients.map(() => 0);
  const startedUs = nowUs();
  const endUs = startedUs + load.durationMs * 1000;
  while (nowUs() < endUs) {
    for (const [index, client] of clients.entries()) {
      let sequence = sent[index] ?? 0;
      const most = (orders[index]?.received ?? 0) + DEPTH;
      const frames: Buffer[] = [];
      for (; sequence < most; sequence++) {
        const args = ["e", index, sequence, bodies(sequence, 0)];
        frames.push(eventFrame("msgpack", "/", args));
      }
      sent[index] = sequence;
      if (frames.length > 0) client.send(Buffer.concat(frames));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return result(sent, startedUs);
}

async function result(sent: readonly number[], startedUs: number): Promise<BatchLoaded> {
  const expected = sent.reduce((sum, count) => sum + count, 0);
  const received = () => orders.reduce((sum, order) => sum + order.received, 0);
  let last = received();
  for (let quietUs = nowUs(); received() < expected; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (received() !== last) quietUs = nowUs();
    last = received();
    if (nowUs() - quietUs > QUIET_MS * 1000) break;
  }
  const elapsedMs = (nowUs() - startedUs) / 1000;
  const total = (what: "duplicated" | "reordered") =>
    orders.reduce((sum, order) => sum + order[what], 0);
  const lost = orders.reduce(
    (sum, order, index) => sum + order.lost + Math.max(0, (sent[index] ?? 0) - order.next),
    0,
  );
  return {
    ...{ sent: expected, elapsedMs, requests },
    delivery: {
      ...{ expected, received: received(), lost },
      ...{ duplicated: total("duplicated"), reordered: total("reordered") },
    },
  };
}
