import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { createLagProbe } from "../rig/lag.ts";
import { serve } from "../rig/rpc.ts";
import { createBodies, nowUs } from "../wire/marker.ts";
import type { Codec } from "../wire/packets.ts";
import {
  emitOnSchedule,
  emitSaturated,
  type Later,
  type PaceOptions,
  type SaturateOptions,
} from "./emit.ts";
import { openTicker, type Ticker } from "./ticker.ts";

/**
 * Who receives a broadcast: the namespace, a room, a room without its sender, a room without a few
 * others, a union of two rooms that overlap.
 */
export type Shape = "namespace" | "room" | "sender" | "except" | "union";

/** How a subject starts. */
export interface SubjectOptions {
  readonly codec: Codec;
  /** Folder of the compiled gateway, for the subjects that are ours. */
  readonly build?: string;
  /** Function that answers event `e`, instead of the process itself. */
  readonly callUrl?: string;
  /** Memberships that topics of often-used unions may hold, for the subjects that are ours. */
  readonly unionMembersMax?: number;
  /** Milliseconds between two heartbeats; the default of Socket.IO unless given. */
  readonly pingIntervalMs?: number;
  /** Whether ours watches its load as by default; it must not shed any of a saturating one. */
  readonly idles?: boolean;
  /** Loses every n-th broadcast: plants a message loss (tests of the rig). */
  readonly loseEvery?: number;
}

/** A server under measurement. */
export interface Subject {
  readonly port: number;
  /** Versions and settings that matter to the reader of a result. */
  readonly about: Readonly<Record<string, string>>;
  /** Sends event `m` with one argument to the recipients of `shape`. */
  emit(shape: Shape, body: string): void;
  connections(): number;
  /** Sets what the handler of event `t` calls, for the subjects that have one. */
  onTick?(run: () => void): void;
}

/** Serves a subject to the orchestrator: it starts, emits and tells its own cost. */
export function hostSubject(start: (options: SubjectOptions) => Promise<Subject>): void {
  let subject: Subject | undefined;
  let codec: Codec = "json";
  let ticker: Promise<Ticker> | undefined;
  const lag = createLagProbe(10);
  const credit = createCreditServer();
  const current = () => {
    if (subject === undefined) throw new Error("the subject has not been started");
    return subject;
  };
  serve({
    async start(options: SubjectOptions) {
      subject = await start(options);
      codec = options.codec;
      return { port: subject.port, about: subject.about };
    },
    async credit() {
      return credit.listen();
    },
    async saturate(options: SaturateOptions) {
      const inHandler = options.inHandler ? await openHandler() : undefined;
      return emitSaturated(options, { ...tools(), credit, inHandler });
    },
    pace: (options: PaceOptions) => emitOnSchedule(options, tools()),
    connections: () => current().connections(),
    usage: (options: { collect?: boolean; watchLag?: boolean }) => readUsage(options, lag),
  });
  const tools = () => ({ emit: current().emit, createBodies, nowUs });

  async function openHandler(): Promise<Later> {
    const { port, onTick } = current();
    if (onTick === undefined) throw new Error("the subject has no handler for ticks");
    ticker ??= openTicker(port, codec);
    const { tick } = await ticker;
    return (run) => {
      onTick(run);
      tick();
    };
  }
}

/** CPU since the process began, memory now, and how late the loop was while watched. */
function readUsage(
  options: { collect?: boolean; watchLag?: boolean },
  lag: ReturnType<typeof createLagProbe>,
) {
  if (options.collect) {
    // Twice: what the first collection finalises, the second one frees.
    globalThis.gc?.();
    globalThis.gc?.();
  }
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const seen = lag.stop();
  if (options.watchLag) lag.start();
  return {
    cpuUserS: user / 1e6,
    cpuSysS: system / 1e6,
    runDelayS: readRunDelayS(),
    switches: process.resourceUsage().voluntaryContextSwitches,
    atUs: nowUs(),
    memory: { rss, heapUsed, external, arrayBuffers },
    lag: seen,
  };
}

/** The second field of schedstat: nanoseconds spent waiting on a run queue. */
function readRunDelayS(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1] ?? 0) / 1e9;
  } catch {
    return 0; // Not Linux, or a kernel without scheduler statistics.
  }
}

/** How far a saturated emitter may go; the generator raises it over a connection of its own. */
export interface CreditServer {
  listen(): Promise<number>;
  /** Messages of the round that may be emitted so far. */
  allowed: number;
  /** Called when `allowed` rises. */
  onRise: (() => void) | undefined;
}

function createCreditServer(): CreditServer {
  let server: Server | undefined;
  const credit: CreditServer = {
    allowed: 0,
    onRise: undefined,
    async listen() {
      server ??= createServer((socket) => {
        socket.on("error", () => socket.destroy());
        socket.on("data", (chunk) => {
          // Four bytes each and on loopback they come whole; only the last one matters.
          if (chunk.length < 4) return;
          credit.allowed = Math.max(credit.allowed, chunk.readUInt32LE(chunk.length - 4));
          credit.onRise?.();
        });
      });
      const listening = server;
      if (!listening.listening)
        await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
      const address = listening.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    },
  };
  return credit;
}
