import { io, type Socket } from "socket.io-client";
import msgpackParser from "socket.io-msgpack-parser";
import { createHistogram, describeLatency, type Latency, recordLatency } from "../rig/latency.ts";
import { createBodies, createMarkerReader, nowUs } from "../wire/marker.ts";
import type { Codec } from "../wire/packets.ts";

/** Real Socket.IO clients beside the raw ones: do they receive what was sent? */
export interface WitnessOptions {
  readonly url: string;
  readonly codec: Codec;
  readonly query: Readonly<Record<string, string>>;
  readonly clients: number;
  readonly payloadBytes: number;
  readonly firstSequence: number;
  /** So many sequence numbers from the first one are expected, once and in order. */
  readonly messages: number;
  readonly timeoutMs: number;
}

/** What the real clients saw. */
export interface Witnessed {
  readonly clients: number;
  readonly expected: number;
  readonly received: number;
  /** Messages whose content, number or order was not what was sent. */
  readonly wrong: number;
  /** Up to the decoded event in the client's handler. */
  readonly latency: Latency;
}

let finish: (() => Promise<Witnessed>) | undefined;

/**
 * The first call connects the clients and returns at once when all have joined; the second one
 * waits for their messages, ends them and returns what they saw.
 */
export async function runWitness(options: WitnessOptions): Promise<Witnessed | undefined> {
  if (finish) {
    const witnessed = await finish();
    finish = undefined;
    return witnessed;
  }
  const sockets: Socket[] = [];
  const seen = { received: 0, wrong: 0 };
  const histogram = createHistogram();
  for (let i = 0; i < options.clients; i++) {
    const socket = io(options.url, {
      transports: ["websocket"],
      query: { ...options.query },
      forceNew: true,
      reconnection: false,
      ...(options.codec === "msgpack" ? { parser: msgpackParser } : {}),
    });
    sockets.push(socket);
    watchSocket(socket, options, (isRight, us) => {
      seen.received++;
      if (!isRight) seen.wrong++;
      recordLatency(histogram, us);
    });
  }
  await Promise.all(sockets.map((socket) => whenConnected(socket)));
  const expected = options.clients * options.messages;
  finish = async () => {
    const endUs = nowUs() + options.timeoutMs * 1000;
    while (seen.received < expected && nowUs() < endUs)
      await new Promise((resolve) => setTimeout(resolve, 5));
    for (const socket of sockets) socket.disconnect();
    return { clients: options.clients, expected, ...seen, latency: describeLatency(histogram) };
  };
  return undefined;
}

function whenConnected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
  });
}

function watchSocket(
  socket: Socket,
  options: WitnessOptions,
  seen: (isRight: boolean, latencyUs: number) => void,
): void {
  const bodies = createBodies(options.payloadBytes);
  const marker = createMarkerReader();
  let next = options.firstSequence;
  socket.on("m", (body: unknown, ...more: unknown[]) => {
    const atUs = nowUs();
    const bytes = Buffer.from(String(body), "latin1");
    const isMarked = marker.read(bytes, 0, bytes.length);
    const expected = bodies(next, marker.scheduledUs);
    next = marker.sequence + 1;
    seen(isMarked && body === expected && more.length === 0, atUs - marker.scheduledUs);
  });
}
