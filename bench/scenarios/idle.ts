/**
 * Question: what does an idle connection cost in memory, and where is it?
 * Load:     connections with a browser's headers that join one namespace and stay silent; a look
 *           after two collections at seven counts; the cost is the slope of the line through them.
 * Control:  bare uWebSockets.js with the same connections.
 * Not for:  what a connection needs once it is busy: buffers grow with what is unsent.
 */
import { readFileSync } from "node:fs";
import { connectClients, membersOf, openBench } from "../rig/bench.ts";
import { makeFlag } from "../rig/flags.ts";
import { afresh, measurePairs } from "../rig/rounds.ts";
import type { Context, Round, Scenario } from "../rig/scenario.ts";
import { fitLine } from "../rig/stats.ts";
import type { Codec } from "../wire/packets.ts";
import { readCodec } from "./words.ts";

const PAGE_BYTES = 4096;
/** Points on the line, the empty server included. */
const STEPS = 6;
const R2_MIN = 0.95;

interface Point {
  readonly x: number;
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  readonly kernel: number;
}

async function run(context: Context): Promise<void> {
  const { options } = context;
  const blocks = options.number("rounds", { quick: 1, short: 1, full: 5 });
  const most = options.number("connections", { quick: 300, short: 2000, full: 10_000 });
  for (const codec of options.words("codec", ["msgpack"]).map(readCodec)) {
    const subjects = context.subjects(undefined, { codec });
    const what = `idle: ${most} connections, ${codec}`;
    const measure = afresh(context, async ({ subject, pair }) => {
      const points = await measurePoints(context, subject, { codec, most });
      return [
        ...points.map((point) => pointRound(subject, pair, point)),
        slopeRound(subject, pair, { codec, connections: most }, points),
      ];
    });
    await measurePairs(context, { what, subjects, blocks }, measure);
  }
}

async function measurePoints(
  context: Context,
  name: string,
  how: { codec: Codec; most: number },
): Promise<Point[]> {
  const { codec } = how;
  // One member connects with the bench, so that every code path has run once before the zero.
  const bench = await openBench(context, name, { codec, groups: membersOf(1) });
  const points: Point[] = [];
  for (let step = 0; step <= STEPS; step++) {
    const [until, from] = [step, step - 1].map((n) => Math.round((how.most * n) / STEPS));
    if (step > 0)
      await connectClients(context, bench, {
        codec,
        groups: membersOf((until ?? 0) - (from ?? 0)),
      });
    const { memory } = await bench.subject.usage({ collect: true });
    points.push({ x: await bench.subject.connections(), ...memory, kernel: readKernelBytes() });
  }
  return points;
}

/** Memory of all TCP sockets of the machine: both ends of every connection, and everyone else's. */
function readKernelBytes(): number {
  try {
    const text = readFileSync("/proc/net/sockstat", "utf8");
    return Number(/^TCP:.* mem (\d+)/m.exec(text)?.[1] ?? 0) * PAGE_BYTES;
  } catch {
    return 0; // Not Linux.
  }
}

function pointRound(subject: string, pair: number, point: Point): Round {
  const { x, rss, heapUsed, external, arrayBuffers, kernel } = point;
  return {
    subject,
    pair,
    params: { connections: x },
    values: {
      rss_bytes: rss,
      heap_bytes: heapUsed,
      external_bytes: external,
      array_buffer_bytes: arrayBuffers,
      kernel_tcp_bytes: kernel,
    },
  };
}

function slopeRound(
  subject: string,
  pair: number,
  params: Round["params"],
  points: readonly Point[],
): Round {
  const fit = (key: keyof Point) => fitLine(points.map((p) => ({ x: p.x, y: p[key] })));
  const rss = fit("rss");
  // A server without a heap of V8 or Go tells none.
  const hasHeap = points.some((point) => point.heapUsed > 0);
  const figures = `R² ${rss.r2.toFixed(3)} of RSS`;
  return {
    subject,
    pair,
    params: { ...params, line: "slope" },
    values: {
      rss_bytes_per_connection: rss.slope,
      rss_slope_error: rss.slopeError,
      rss_r2: rss.r2,
      ...(hasHeap
        ? {
            heap_bytes_per_connection: fit("heapUsed").slope,
            heap_r2: fit("heapUsed").r2,
          }
        : {}),
      external_bytes_per_connection: fit("external").slope,
      kernel_bytes_per_connection: fit("kernel").slope,
      empty_rss_bytes: rss.intercept,
    },
    flags: rss.r2 < R2_MIN ? [makeFlag("warning", "poor_fit", figures)] : [],
  };
}

/** Memory per idle connection. */
export const scenario: Scenario = {
  name: "idle",
  question: "What does an idle connection cost in memory, and where is it?",
  metrics: [
    {
      name: "rss_bytes_per_connection",
      unit: "B",
      better: "lower",
      text: "Slope of the server's resident memory over its connections.",
      ratio: true,
    },
    {
      name: "rss_r2",
      unit: "",
      better: "higher",
      text: "How straight that line is.",
      ratio: false,
    },
    {
      name: "heap_bytes_per_connection",
      unit: "B",
      better: "lower",
      text: "Slope of V8's used heap after two collections.",
      ratio: true,
    },
    {
      name: "kernel_bytes_per_connection",
      unit: "B",
      better: "lower",
      text: "Slope of the kernel's TCP memory, both ends of a connection together.",
      ratio: false,
    },
    {
      name: "empty_rss_bytes",
      unit: "B",
      better: "lower",
      text: "Resident memory of a server without connections.",
      ratio: false,
    },
  ],
  seconds: { quick: 4, short: 12, full: 240 },
  run,
};
