import { createHistogram, describeLatency, type Latency, recordLatency } from "../rig/latency.ts";
import { createBodies, nowUs } from "../wire/marker.ts";
import { type Codec, eventFrame } from "../wire/packets.ts";
import type { Client } from "./client.ts";
import type { Fleet } from "./fleet.ts";

/** How events with acks are sent. */
export interface EchoOptions {
  readonly codec: Codec;
  readonly payloadBytes: number;
  readonly durationMs: number;
  /**
   * Open loop: events per second over all clients. Without it, `depth` are kept open per client.
   */
  readonly ratePerS?: number;
  readonly depth: number;
  /** Sleep between turns while saturated, so that acks are read and answered in batches. */
  readonly napMs: number;
}

/** What came back. */
export interface Echoed {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly closed: number;
  readonly wallMs: number;
  readonly cpuUserS: number;
  readonly cpuSysS: number;
  readonly reads: number;
  /** How late the generator itself sent, at worst: the open loop's own fault. */
  readonly lateUsMax: number;
  readonly latency: Latency;
}

/** Acks that have not come this long after the last one are lost. */
const QUIET_MS = 2000;

/** Sends events that expect an ack; each client's acks must come back once and in order. */
export async function runEcho(fleet: Fleet, options: EchoOptions): Promise<Echoed> {
  const clients = fleet.clients.filter((client) => client.state === "joined");
  const sent = new Map<Client, number>(clients.map((client) => [client, 0]));
  const makeEvents = createEventFrames(options.codec, options.payloadBytes);
  const histogram = createHistogram();
  const startedUs = nowUs();
  const endUs = startedUs + options.durationMs * 1000;
  const state = { lastUs: startedUs, lateUsMax: 0 };
  const cpu = process.cpuUsage();
  for (const client of clients) client.order.begin(0);
  fleet.reads = 0;

  const send = (client: Client, dueUs: number, count: number) => {
    const sequence = sent.get(client) ?? 0;
    sent.set(client, sequence + count);
    client.send(makeEvents(sequence, dueUs, count));
  };
  const answered = new Map<Client, number>();
  fleet.watcher = {
    take(client, sequence, scheduledUs) {
      client.order.note(sequence);
      state.lastUs = fleet.readAtUs;
      if (options.ratePerS === undefined) answered.set(client, (answered.get(client) ?? 0) + 1);
      else recordLatency(histogram, fleet.readAtUs - scheduledUs);
    },
  };
  if (options.ratePerS === undefined) {
    for (const client of clients) send(client, nowUs(), options.depth);
    await keepOpen(endUs, options.napMs, () => {
      for (const [client, count] of answered) send(client, nowUs(), count);
      answered.clear();
    });
  } else {
    const total = Math.floor((options.ratePerS * options.durationMs) / 1000);
    const gapUs = 1e6 / options.ratePerS;
    state.lateUsMax = await onSchedule({ startedUs, gapUs, total }, (n, dueUs) => {
      const client = clients[n % clients.length];
      if (client) send(client, dueUs, 1);
    });
  }
  const isDone = () =>
    clients.every((c) => c.state === "closed" || c.order.next >= (sent.get(c) ?? 0));
  while (!isDone() && nowUs() - state.lastUs < QUIET_MS * 1000)
    await new Promise((resolve) => setTimeout(resolve, 2));
  fleet.watcher = undefined;
  const { user, system } = process.cpuUsage(cpu);
  return {
    ...sumEchoes(clients, sent),
    wallMs: (state.lastUs - startedUs) / 1000,
    cpuUserS: user / 1e6,
    cpuSysS: system / 1e6,
    reads: fleet.reads,
    lateUsMax: state.lateUsMax,
    latency: describeLatency(histogram),
  };
}

function sumEchoes(clients: readonly Client[], sent: ReadonlyMap<Client, number>) {
  const sum = { sent: 0, received: 0, lost: 0, duplicated: 0, reordered: 0, closed: 0 };
  for (const client of clients) {
    const { order } = client;
    const own = sent.get(client) ?? 0;
    sum.sent += own;
    sum.received += order.received;
    sum.lost += order.lost + Math.max(0, own - order.next);
    sum.duplicated += order.duplicated;
    sum.reordered += order.reordered;
    if (client.state === "closed") sum.closed++;
  }
  return sum;
}

const cell = new Int32Array(new SharedArrayBuffer(4));

/** Calls `answer` after each turn of the loop, and sleeps in between, until `endUs`. */
function keepOpen(endUs: number, napMs: number, answer: () => void): Promise<void> {
  return new Promise((resolve) => {
    const turn = () => {
      if (nowUs() > endUs) {
        resolve();
        return;
      }
      answer();
      if (napMs > 0) Atomics.wait(cell, 0, 0, napMs);
      setImmediate(turn);
    };
    turn();
  });
}

/**
 * Calls `act` for each n when n is due, late ones at once, with the time it was due. Resolves with
 * how late the worst one was.
 */
export function onSchedule(
  plan: { startedUs: number; gapUs: number; total: number },
  act: (n: number, dueUs: number) => void,
): Promise<number> {
  let n = 0;
  let lateUsMax = 0;
  return new Promise((resolve) => {
    const turn = () => {
      const now = nowUs();
      for (; n < plan.total; n++) {
        const dueUs = plan.startedUs + n * plan.gapUs;
        if (dueUs > now) break;
        lateUsMax = Math.max(lateUsMax, now - dueUs);
        act(n, dueUs);
      }
      if (n < plan.total) setTimeout(turn, 1);
      else resolve(lateUsMax);
    };
    turn();
  });
}

/** Ack ids start here, so that every id has nine digits in JSON and five bytes in msgpack. */
const FIRST_ID = 100_000_000;

/**
 * Returns a function that makes `count` EVENT frames in a row by patching sequence, time and ack id
 * into copies of one template: building each from scratch would make the generator the bottleneck.
 */
function createEventFrames(codec: Codec, payloadBytes: number) {
  const bodies = createBodies(payloadBytes);
  const template = eventFrame(codec, "/", ["e", bodies(0, 0)], FIRST_ID);
  const bodyAt = template.indexOf("~S");
  const idBytes = Buffer.alloc(4);
  idBytes.writeUInt32BE(FIRST_ID);
  const idAt = template.indexOf(codec === "json" ? String(FIRST_ID) : idBytes);
  return (sequence: number, dueUs: number, count: number): Buffer => {
    const frames = Buffer.allocUnsafe(template.length * count);
    for (let i = 0; i < count; i++) {
      const at = template.length * i;
      template.copy(frames, at);
      frames.write(String(1e9 + sequence + i).slice(1), at + bodyAt + 2, "latin1");
      frames.write(String(1e15 + Math.floor(dueUs)).slice(1), at + bodyAt + 12, "latin1");
      const id = FIRST_ID + sequence + i;
      if (codec === "json") frames.write(String(id), at + idAt, "latin1");
      else frames.writeUInt32BE(id, at + idAt);
    }
    return frames;
  };
}
