/**
 * Question: what CPU does a server take while nothing happens?
 * Load:     none: no connections, and silent ones with heartbeats of 25 s, which is the default,
 *           and without; a look over 25 s has one heartbeat of each connection in it.
 * Control:  bare uWebSockets.js, which has no heartbeats, and stock Socket.IO, which has.
 * Not for:  what a busy server does beside its work: that is a part of the other figures.
 */
import { setTimeout as wait } from "node:timers/promises";
import { connectClients, cpuBetween, membersOf } from "../rig/bench.ts";
import { afresh, measurePairs } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

/** What is left of a start and of the handshakes is over by then. */
const SETTLE_MS = 4000;
/** The default of Sluice and of Socket.IO. */
const HEARTBEAT_S = 25;
/** An interval that no run reaches. */
const NEVER_S = 86_400;

interface IdlingCase {
  readonly connections: number;
  readonly codec: Codec;
  /** Seconds between two heartbeats. */
  readonly heartbeat_s: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 1, full: 3 });
  const counts = options.numbers("connections", { quick: [0], short: [0], full: [0, 5000] });
  const windowMs = options.number("seconds", { quick: 1, short: 5, full: HEARTBEAT_S }) * 1000;
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec))
    for (const connections of counts)
      for (const heartbeat_s of connections > 0 ? [HEARTBEAT_S, NEVER_S] : [HEARTBEAT_S]) {
        const one = { connections, codec, heartbeat_s };
        const what = `idling: ${connections} connections, heartbeats every ${heartbeat_s} s`;
        const measure = afresh(context, async ({ subject, pair }) => ({
          ...{ subject, pair, params: { ...one } },
          values: await measureIdling(context, subject, one, windowMs),
        }));
        const subjects = context.subjects(undefined, { codec });
        await measurePairs(context, { what, subjects, blocks }, measure);
      }
}

async function measureIdling(
  context: Context,
  name: string,
  { connections, codec, heartbeat_s }: IdlingCase,
  windowMs: number,
): Promise<Round["values"]> {
  const start = { codec, idles: true, pingIntervalMs: heartbeat_s * 1000 };
  const subject = await context.openSubject(name, start);
  if (connections > 0) {
    const generator = await context.openGenerator();
    const joining = { codec, groups: membersOf(connections) };
    await connectClients(context, { subject, generator }, joining);
  }
  await subject.usage({ collect: true });
  await wait(SETTLE_MS, undefined, { signal: context.signal });
  const before = await subject.usage();
  await wait(windowMs, undefined, { signal: context.signal });
  const after = await subject.usage();
  const seconds = (after.atUs - before.atUs) / 1e6;
  return {
    cpu_ms_per_s: (cpuBetween(before, after) * 1000) / seconds,
    wakes_per_s: (after.switches - before.switches) / seconds,
  };
}

/** CPU of a server without work. */
export const scenario: Scenario = {
  name: "idling",
  question: "What CPU does a server take while nothing happens?",
  metrics: [
    {
      name: "cpu_ms_per_s",
      unit: "ms/s",
      better: "lower",
      text: "Server CPU in each second.",
      ratio: true,
    },
    {
      name: "wakes_per_s",
      unit: "",
      better: "lower",
      text: "How often a thread of the server went to sleep in each second.",
      ratio: false,
    },
  ],
  seconds: { quick: 30, short: 80, full: 3200 },
  inSet: false,
  run,
};
