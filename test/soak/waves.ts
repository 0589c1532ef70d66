/**
 * Waves of connect, join, leave and kill against one gateway in a process of its own. After each
 * wave, with everyone gone and the garbage collected twice, its heap, memory and descriptors must be
 * where they were.
 */
import type { Socket } from "socket.io-client";
import { fitLine, type Line } from "../../bench/rig/stats.ts";
import { type ClientOptions, newClient, WAYS } from "../harness/gateway.ts";
import { next, until } from "../harness/wait.ts";
import { type GatewayChild, type Memory, startGatewayChild } from "../hostile/gateway-child.ts";

/** How long and how hard. */
export interface SoakOptions {
  readonly seconds: number;
  /** Least waves, however long they take. */
  readonly waves: number;
  /** Clients of one wave. */
  readonly clients: number;
  /** Told of each wave as it ends. */
  readonly seen: (wave: number, memory: Memory) => void;
}

/** What a soak found. */
export interface Soaked {
  readonly waves: readonly Memory[];
  /** Bytes a wave, over the waves after the third: what the first ones build stays built. */
  readonly heap: Line;
  readonly rss: Line;
  /** What is not as it was, in words; empty when all is. */
  readonly broken: readonly string[];
}

const KINDS: readonly ClientOptions[] = [
  { codec: "msgpack", transports: [...WAYS.websocket] },
  { codec: "json", transports: [...WAYS.websocket] },
  { codec: "msgpack", transports: [...WAYS.upgraded] },
  { codec: "json", transports: [...WAYS.polling] },
];
const ROOMS = 20;
/** Waves that may still build caches and pools. */
const WARM = 3;
/** The issue's own bound: the floor of the heap grows by less than a hundredth a wave. */
const GROWTH_MAX = 0.01;

/** Runs the waves; resolves with what was found. */
export async function soak(options: SoakOptions): Promise<Soaked> {
  const gateway = await startGatewayChild({
    recovery: { windowMs: 1000 },
    limits: { addressHandshakesPerSecond: 0, handshakesPerSecond: 0 },
    // On a busy machine a wave would rightly be shed, and nothing be learned of what it leaves.
    overload: { enabled: false },
  });
  const waves: Memory[] = [];
  const end = Date.now() + options.seconds * 1000;
  while (waves.length < options.waves || Date.now() < end) {
    await wave(gateway, options.clients, waves.length);
    gateway.assertAlive();
    // Twice: what the first collection lets go of, the second may free.
    await gateway.memory();
    const memory = await gateway.memory();
    waves.push(memory);
    options.seen(waves.length, memory);
  }
  await gateway.stop();
  const late = waves.slice(WARM);
  const line = (of: "heapUsed" | "rss") => fitLine(late.map((m, x) => ({ x, y: m[of] })));
  const [heap, rss] = [line("heapUsed"), line("rss")];
  return { waves, heap, rss, broken: judge(late, heap) };
}

function judge(late: readonly Memory[], heap: Line): string[] {
  const broken: string[] = [];
  const [first] = late;
  const last = late.at(-1);
  if (!first || !last) return ["fewer waves than it takes to warm up"];
  const growth = (heap.slope - heap.slopeError) / first.heapUsed;
  if (growth > GROWTH_MAX) broken.push(`the heap grows by ${(growth * 100).toFixed(2)} % a wave`);
  if (last.files > first.files)
    broken.push(`descriptors went from ${first.files} to ${last.files}`);
  return broken;
}

async function wave(gateway: GatewayChild, count: number, seed: number): Promise<void> {
  const url = `http://127.0.0.1:${gateway.port}`;
  const clients: Socket[] = [];
  for (let at = 0; at < count; at++) clients.push(newClient(url, KINDS[at % KINDS.length]));
  await Promise.all(clients.map((client) => next(client.connect(), "connect", 60_000)));
  await Promise.all(
    clients.map(async (client, at) => {
      for (let n = 0; n < 3; n++) await client.emitWithAck("join", `r${(at + n + seed) % ROOMS}`);
      client.emit("tell", `r${at % ROOMS}`, "hello", Buffer.alloc(200));
      await client.emitWithAck("ask", at);
    }),
  );
  // A third says goodbye, a third ends its transport, a third is cut off without a word.
  for (const [at, client] of clients.entries()) {
    if (at % 3 === 0) client.disconnect();
    else if (at % 3 === 1) client.io.engine.close();
    else cutOff(client);
  }
  await until(
    async () => {
      let open = 0;
      for (const [series, value] of await gateway.scrape()) {
        if (/^sluice_(connections\{|recovery_sessions)/.test(series)) open += value;
      }
      return open === 0;
    },
    "everyone's end",
    60_000,
  );
  for (const client of clients) client.disconnect();
}

/** Ends the TCP connection of a client where there is one of its own; its transport otherwise. */
function cutOff(client: Socket): void {
  const { ws } = client.io.engine.transport as { ws?: { terminate(): void } };
  if (ws) ws.terminate();
  else client.io.engine.close();
}
