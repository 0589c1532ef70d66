/**
 * Question: what does one broadcast cost per recipient, by shape, room size and broadcasts per
 *           turn of the loop?
 * Load:     one room on one server, saturated: the next broadcast leaves as soon as the slowest
 *           member has credit for it, so nothing may be dropped by anyone.
 * Control:  `app.publish` on bare uWebSockets.js with the same bytes to exactly the recipients.
 * Not for:  latency, or a network with a wire; client and server share one machine here.
 */

import { judgePairs } from "../rig/context.ts";
import { PAIRS_MIN } from "../rig/estimate.ts";
import { type Bench, type Case, measure, openBench, warmUp, witness } from "../rig/saturation.ts";
import type { Context, Scenario } from "../rig/scenario.ts";
import { readCodec, readShape } from "./words.ts";

const SUBJECTS = ["bare", "stock-uws", "stock-ws"];

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 2, short: 5, full: 5 });
  for (const flag of judgePairs(blocks * 2, PAIRS_MIN)) context.flag(flag);
  const durationMs = options.number("seconds", { quick: 0.15, short: 0.12, full: 0.5 }) * 1000;
  const warmMs = { quick: 500, short: 700, full: 10_000 }[options.mode];
  for (const one of cases(context)) {
    const subjects = context.subjects(SUBJECTS);
    const benches = new Map<string, Bench>();
    for (const name of subjects) {
      context.say(`fanout ${describe(one)}: ${name} connects`);
      const bench = await openBench(context, name, one);
      benches.set(name, bench);
      for (const flag of await witness(bench, one)) context.flag(flag);
      for (const flag of await warmUp(bench, one, warmMs)) context.flag(flag);
    }
    for (const { subject, pair } of context.interleave(subjects, blocks)) {
      context.say(`fanout ${describe(one)}: pair ${pair + 1} of ${blocks * 2}, ${subject}`);
      const bench = benches.get(subject);
      if (bench) context.record(await measure(bench, one, { pair, durationMs }));
    }
    await context.closeAll();
  }
}

function* cases({ options }: Context): Iterable<Case> {
  const shapes = options.words("shapes", SHAPES[options.mode]).map(readShape);
  const payloads = options.numbers("payload", { quick: [128], short: [128], full: [128] });
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec))
    for (const shape of shapes)
      for (const members of options.numbers("members", MEMBERS))
        for (const payload of payloads)
          for (const frames of options.numbers("frames", FRAMES))
            yield { codec, shape, members, payload, frames };
}

const SHAPES = {
  quick: ["room"],
  // What most applications emit: to everyone in a room but the sender.
  short: ["sender", "room"],
  full: ["namespace", "room", "sender", "except", "union"],
};
const MEMBERS = { quick: [50], short: [100, 1000], full: [1, 10, 100, 1000, 10_000] };
const FRAMES = { quick: [1], short: [1], full: [1, 10] };

function describe(one: Case): string {
  return `${one.shape} × ${one.members}, ${one.frames} a turn, ${one.payload} B ${one.codec}`;
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
  run,
};
