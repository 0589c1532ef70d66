import type { Bench } from "./bench.ts";
import { type Flag, makeFlag } from "./flags.ts";
import { mergeLatencies } from "./latency.ts";
import { type Paced, pace } from "./paced.ts";
import type { Case } from "./saturation.ts";
import type { Context, Witness } from "./scenario.ts";

const CLIENTS = 3;
const DURATION_MS = 400;
/** No server is near its limit with so many deliveries a second: what is timed is decoding. */
const DELIVERIES_PER_S = 40_000;
const RATES = { min: 10, max: 200 };
const TIMEOUT_MS = 5000;

/** What is witnessed. */
type Seen = Paced & Pick<Case, "codec">;

/**
 * Lets a few real Socket.IO clients join the recipients, beside the raw ones, and records what they
 * decoded of some broadcasts, and when. They are gone before anything is measured.
 */
export async function witness(context: Context, bench: Bench, one: Seen): Promise<void> {
  const seen = await observe(bench, one);
  context.witness(seen);
  for (const flag of judgeWitness(seen)) context.flag(flag);
}

/** Judges what real clients saw. */
export function judgeWitness(seen: Witness): Flag[] {
  if (seen.wrong === 0 && seen.received === seen.expected) return [];
  const figures = `${seen.received} of ${seen.expected}, ${seen.wrong} of them wrong`;
  return [makeFlag("error", "wrong_content", `${seen.subject}: ${figures}`)];
}

/** Returns what real clients saw of a few broadcasts. */
export async function observe(bench: Bench, one: Seen): Promise<Witness> {
  const { subject, generator } = bench;
  const fair = Math.min(RATES.max, DELIVERIES_PER_S / one.members);
  const ratePerS = Math.max(RATES.min, fair);
  const messages = Math.floor((ratePerS * DURATION_MS) / 1000);
  const options = {
    ...{ clients: CLIENTS, messages, timeoutMs: TIMEOUT_MS },
    url: `http://127.0.0.1:${subject.port}`,
    codec: one.codec,
    query: { rooms: one.shape.startsWith("union") ? "a.b" : "r" },
    firstSequence: bench.next,
    payloadBytes: one.payload,
  };
  await generator.witness(options);
  const { watched } = await pace(bench, one, { ratePerS, durationMs: DURATION_MS });
  const seen = await generator.witness(options);
  const { codec, shape, members, payload } = one;
  return {
    subject: subject.name,
    params: { codec, shape, members, payload },
    clients: CLIENTS,
    expected: seen?.expected ?? CLIENTS * messages,
    received: seen?.received ?? 0,
    wrong: seen?.wrong ?? 0,
    arrived: watched.latency,
    decoded: seen?.latency ?? mergeLatencies([]),
  };
}
