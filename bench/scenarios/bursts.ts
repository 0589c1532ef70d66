/**
 * Question: what does a delivery cost when one handler broadcasts many at once, and what does the
 *           same cost outside a handler?
 * Load:     one room on one server, saturated: bursts of 80 and 500 broadcasts, each made by the
 *           handler of an event, or in a turn of the loop of its own (`outside`).
 * Control:  the same bursts of bare uWebSockets.js, outside a handler: there it may write a
 *           recipient's frames together, so it is the floor.
 * Not for:  what the event costs that triggers a burst; latency.
 */
import { protocolOf } from "../rig/peers.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../rig/rounds.ts";
import { type Case, measure, openWarmRoom } from "../rig/saturation.ts";
import type { Context, Scenario } from "../rig/scenario.ts";
import { witness } from "../rig/witness.ts";
import { readCodec } from "./words.ts";

const OUTSIDE = " outside";

/** Whoever is ours is measured both ways, bare only outside, all others in a handler. */
function waysOf(name: string): string[] {
  return name.startsWith("ours") ? [name, name + OUTSIDE] : [name];
}

const nameOf = (way: string) => way.replace(OUTSIDE, "");
const isInHandler = (way: string) => way !== "bare" && !way.endsWith(OUTSIDE);

async function run(context: Context): Promise<void> {
  const { options } = context;
  const members = options.number("members", { quick: 50, short: 1000, full: 1000 });
  const payload = options.number("payload", { quick: 128, short: 128, full: 128 });
  const frames = options.numbers("frames", { quick: [80], short: [80, 500], full: [33, 80, 500] });
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const room = { codec, shape: "room", members, payload } as const;
    await compare(
      context,
      frames.map((n) => ({ ...room, frames: n })),
    );
  }
}

async function compare(context: Context, cases: readonly Case[]): Promise<void> {
  const { options } = context;
  const [first] = cases;
  if (first === undefined) return;
  const blocks = options.number("rounds", { quick: 1, short: 5, full: 5 });
  const durationMs = options.number("seconds", { quick: 0.15, short: 0.3, full: 0.5 }) * 1000;
  const warmMs = { quick: 300, short: 600, full: 2000 }[options.mode];
  const names = context.subjects(["bare", "stock-uws"], { codec: first.codec, shape: "room" });
  const what = `bursts: ${first.members}, ${first.codec}`;
  const servers = await openLanes(context, { what, subjects: names }, async (name) => {
    const bench = await openWarmRoom(context, name, first, warmMs);
    if (protocolOf(name) === "socket.io") await witness(context, bench, first);
    for (const way of waysOf(name)) {
      const how = { inHandler: isInHandler(way) };
      await warmUp(warmMs, (turn) => measure(bench, first, { ...turn, ...how }));
    }
    return bench;
  });
  const subjects = names.flatMap(waysOf);
  const lanes = new Map(
    subjects.flatMap((way) => {
      const server = servers.get(nameOf(way));
      return server ? [[way, server] as const] : [];
    }),
  );
  for (const one of cases) {
    await measurePairs(
      context,
      { what: `${what}, bursts of ${one.frames}, ${one.payload} B`, subjects, blocks },
      inLanes(lanes, async (bench, { subject, pair }) => {
        const how = { pair, durationMs, inHandler: isInHandler(subject) };
        return { ...(await measure(bench, one, how)), subject };
      }),
    );
  }
  await context.closeAll();
}

/** Many broadcasts of one handler. */
export const scenario: Scenario = {
  name: "bursts",
  question: "What does a delivery cost when one handler broadcasts many at once?",
  metrics: [
    {
      name: "cpu_us_per_delivery",
      unit: "µs",
      better: "lower",
      text: "Server CPU, user and system, per message delivered.",
      ratio: true,
    },
    {
      name: "frames_per_write",
      unit: "",
      better: "higher",
      text: "Messages per TCP segment sent; -1 where `ss` is missing.",
      ratio: false,
    },
    { name: "server_share", unit: "", better: "higher", text: "Of its core.", ratio: false },
    { name: "client_share", unit: "", better: "lower", text: "Of its core.", ratio: false },
  ],
  seconds: { quick: 6, short: 60, full: 180 },
  inSet: false,
  run,
};
