/**
 * Question: what does one broadcast cost per recipient, by shape, room size and broadcasts per
 *           turn of the loop?
 * Load:     one room on one server, saturated: the next broadcast leaves as soon as the slowest
 *           member has credit for it, so nothing may be dropped by anyone.
 * Control:  `app.publish` on bare uWebSockets.js with the same bytes to exactly the recipients.
 * Not for:  latency, or a network with a wire; client and server share one machine here.
 */
import { protocolOf } from "../rig/peers.ts";
import { inLanes, measurePairs, openLanes, warmUp } from "../rig/rounds.ts";
import { type Case, measure, openWarmRoom } from "../rig/saturation.ts";
import type { Context, Scenario } from "../rig/scenario.ts";
import { kindOf, readShape } from "../rig/shapes.ts";
import { witness } from "../rig/witness.ts";
import { readCodec } from "./words.ts";

const SHAPES = {
  quick: ["room"],
  // What most applications emit: to a room without the sender. Whoever asks for more gets it.
  set: ["sender"],
  short: ["sender", "room", "except-1", "union"],
  full: ["namespace", "room", "sender", "except-1", "except-10", "union", "union-first"],
};
const MEMBERS = { quick: [50], short: [1000], full: [10, 100, 1000, 10_000] };
const FRAMES = { quick: [1], short: [1, 20], full: [1, 20] };

async function run(context: Context): Promise<void> {
  const { options } = context;
  const inSet = options.mode === "short" && !options.isNamed;
  const shapes = options.words("shapes", SHAPES[inSet ? "set" : options.mode]).map(readShape);
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec))
    for (const shape of shapes)
      for (const members of options.numbers("members", MEMBERS))
        await compare(context, { codec, shape, members });
}

async function compare(
  context: Context,
  room: Pick<Case, "codec" | "shape" | "members">,
): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 2, short: 5, full: 5 });
  const durationMs = options.number("seconds", { quick: 0.15, short: 0.15, full: 0.3 }) * 1000;
  const warmMs = { quick: 300, short: 400, full: 2000 }[options.mode];
  const payloads = options.numbers("payload", { quick: [128], short: [128], full: [128] });
  const frames = options.numbers("frames", FRAMES);
  const cases = payloads.flatMap((payload) => frames.map((n) => ({ ...room, payload, frames: n })));
  const fit = { codec: room.codec, shape: kindOf(room.shape) };
  const subjects = context.subjects(undefined, fit);
  const where = `fanout: ${room.shape} × ${room.members}, ${room.codec}`;
  const lanes = await openLanes(context, { what: where, subjects }, async (name) => {
    const bench = await openWarmRoom(context, name, room, warmMs);
    if (protocolOf(name) === "socket.io")
      for (const payload of payloads) await witness(context, bench, { ...room, payload });
    for (const one of cases) await warmUp(warmMs, (turn) => measure(bench, one, turn));
    return bench;
  });
  for (const one of cases) {
    const what = `${where}, ${one.frames} a turn, ${one.payload} B`;
    await measurePairs(
      context,
      { what, subjects, blocks },
      inLanes(lanes, (bench, { pair }) => measure(bench, one, { pair, durationMs })),
    );
  }
  await context.closeAll();
}

/** Room broadcast throughput. */
export const scenario: Scenario = {
  name: "fanout",
  question: "What does one broadcast cost per recipient, by shape, room size and batch?",
  metrics: [
    {
      name: "cpu_us_per_delivery",
      unit: "µs",
      better: "lower",
      text: "Server CPU, user and system, per message delivered.",
      ratio: true,
    },
    {
      name: "deliveries_per_s",
      unit: "/s",
      better: "higher",
      text: "Messages delivered per second while the server was saturated.",
      ratio: false,
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
  seconds: { quick: 8, short: 30, full: 1900, named: 110 },
  run,
};
