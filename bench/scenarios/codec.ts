/**
 * Question: what does it cost to turn a packet into a frame and back, with every check on?
 * Load:     the packets of `bench/codec.ts` in one process, in alternating order.
 * Control:  the parsers of Socket.IO that the same clients speak to elsewhere.
 * Not for:  what a gateway carries: a codec is a small part of a delivered packet.
 */
import type { CodecRow } from "../codec.ts";
import type { Context, Scenario } from "../rig/scenario.ts";

const MEASURE_TIMEOUT_MS = 600_000;

async function run(context: Context): Promise<void> {
  const rounds = context.options.number("rounds", { quick: 4, short: 10, full: 20 });
  const turnMs = { quick: 5, short: 12, full: 100 }[context.options.mode];
  context.say(`codec: ${rounds} rounds`);
  const kernel = await context.openProcess("codec-kernel");
  // The kernel's only method returns what `measureCodec` does.
  const rows = (await kernel.call("measure", { rounds, turnMs }, MEASURE_TIMEOUT_MS)) as CodecRow[];
  for (const row of rows) {
    const isOurs = row.subject.startsWith("sluice ");
    const isJson = row.subject === "sluice json" || row.subject === "socket.io-parser";
    for (const [pair, ns] of row.roundsNs.entries())
      context.record({
        subject: isOurs ? "ours" : row.subject,
        params: { codec: isJson ? "json" : "msgpack", packet: row.packet, does: row.operation },
        pair,
        values: { ns_per_packet: ns, frame_bytes: row.frameBytes },
      });
  }
}

/** Packets to frames and back. */
export const scenario: Scenario = {
  name: "codec",
  question: "What does it cost to turn a packet into a frame and back, with every check on?",
  metrics: [
    {
      name: "ns_per_packet",
      unit: "ns",
      better: "lower",
      text: "Time per packet in one thread.",
      ratio: true,
    },
    {
      name: "frame_bytes",
      unit: "B",
      better: "lower",
      text: "Size of the subject's own frames of the packet.",
      ratio: false,
    },
  ],
  seconds: { quick: 2, short: 4, full: 60 },
  usesGateway: false,
  run,
};
