import { getHeapStatistics } from "node:v8";
import type { Frame, Packet } from "../../src/core/packet.ts";
import { codecWith } from "../codec/kit.ts";
import { createCorpus } from "./corpus.ts";
import { findFault, findWrongError } from "./judge.ts";
import { createRandom } from "./mutate.ts";

/** What is fuzzed: begins a connection, whose frames are then read one after the other. */
export type FuzzSubject = () => (frame: Frame) => Packet | undefined;

/** An input that broke a promise. */
export interface Finding {
  readonly fault: string;
  /** The frames of one connection: text as it is, bytes in hex. */
  readonly input: readonly string[];
}

/** What came of a run. */
export interface FuzzReport {
  readonly packets: number;
  readonly refused: number;
  readonly findings: readonly Finding[];
}

const HEAP_BYTES_MAX = 65_536;
const TIME_MS_MAX = 5;
// A collection or another process can look like a cost: what remains after so many tries is one.
const TRIES = 10;
const FINDINGS_MAX = 10;

/** Returns our reader with the default settings; all its connections share one codec. */
export function createOurSubject(): FuzzSubject {
  const codec = codecWith();
  return () => {
    const reader = codec.createReader();
    return (frame) => reader.read(frame);
  };
}

/**
 * Reads `inputs` mutated packets and returns the promises that were broken: only typed errors
 * escape; what is accepted is well-formed, is what the official parsers read too, and can be sent
 * on to clients that have them; no frame costs more than 64 KiB or 5 ms.
 */
export function fuzz(seed: number, inputs: number, subject = createOurSubject()): FuzzReport {
  const next = createCorpus(createRandom(seed));
  const findings: Finding[] = [];
  let packets = 0;
  let refused = 0;
  for (let i = 0; i < inputs && findings.length < FINDINGS_MAX; i++) {
    const frames = next();
    const { packet, error, fault } = readAll(subject, frames);
    if (packet) packets += 1;
    if (error) refused += 1;
    if (fault) findings.push({ fault, input: frames.map(show) });
  }
  return { packets, refused, findings };
}

interface Outcome {
  readonly packet?: Packet | undefined;
  readonly error?: unknown;
  readonly fault?: string | undefined;
}

/** Reads up to the first packet or refusal. */
function readAll(subject: FuzzSubject, frames: readonly Frame[]): Outcome {
  const read = subject();
  for (const [i, frame] of frames.entries()) {
    const { packet, error, heapBytes, ms } = measure(read, frame);
    if (heapBytes > HEAP_BYTES_MAX || ms > TIME_MS_MAX) {
      const fault = findCost(subject, frames.slice(0, i + 1));
      if (fault) return { packet, error, fault };
    }
    if (error !== undefined) return { error, fault: findWrongError(error) };
    if (packet) return { packet, fault: findFault(packet, frames.slice(0, i + 1)) };
  }
  return {};
}

interface Measured extends Outcome {
  readonly heapBytes: number;
  readonly ms: number;
}

function measure(read: ReturnType<FuzzSubject>, frame: Frame): Measured {
  const before = getHeapStatistics();
  const from = performance.now();
  let packet: Packet | undefined;
  let error: unknown;
  try {
    packet = read(frame);
  } catch (thrown) {
    error = thrown;
  }
  const ms = performance.now() - from;
  const after = getHeapStatistics();
  const heap = after.used_heap_size - before.used_heap_size;
  return { packet, error, ms, heapBytes: heap + after.external_memory - before.external_memory };
}

/** Says what the last frame costs at the least, if that is more than 64 KiB or 5 ms. */
export function findCost(subject: FuzzSubject, frames: readonly Frame[]): string | undefined {
  let heapBytes = Number.POSITIVE_INFINITY;
  let ms = Number.POSITIVE_INFINITY;
  for (let left = TRIES; left > 0; left--) {
    const read = subject();
    const costs = frames.map((frame) => measure(read, frame));
    heapBytes = Math.min(heapBytes, costs.at(-1)?.heapBytes ?? 0);
    ms = Math.min(ms, costs.at(-1)?.ms ?? 0);
  }
  if (heapBytes > HEAP_BYTES_MAX) return `one frame took ${heapBytes} bytes of memory`;
  return ms > TIME_MS_MAX ? `one frame took ${ms} ms` : undefined;
}

function show(frame: Frame): string {
  return typeof frame === "string" ? frame : `hex:${frame.toString("hex")}`;
}
