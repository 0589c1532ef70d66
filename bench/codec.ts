/**
 * Question: what does it cost to turn a packet into a frame and back, with every check on?
 * Load:     a 100-byte chat packet, a 1 KiB object and a 16 KiB binary, each in 64 variants so that
 *           no subject is measured on a text it has just seen.
 * Control:  `socket.io-msgpack-parser`, the parser that the same clients speak to elsewhere.
 * Not for:  what a gateway carries: a codec is a small part of a delivered packet.
 */
import { CASES, type Case, SUBJECTS, type Subject } from "./codec-subjects.ts";

/** The subject whose medians the ratios are to. */
export const CODEC_CONTROL = "socket.io-msgpack-parser";

/** How long to measure. */
export interface CodecPlan {
  /** Rounds in which every subject has its turn, in alternating order; the first is thrown away. */
  readonly rounds: number;
  /** How long one turn takes, roughly. */
  readonly turnMs: number;
}

/** What one subject took for one case. */
export interface CodecRow {
  readonly packet: string;
  readonly operation: "encode" | "decode";
  readonly subject: string;
  /** Size of the subject's own frames of this packet. */
  readonly frameBytes: number;
  /** Nanoseconds an operation took, per round, in the same order for all subjects. */
  readonly roundsNs: readonly number[];
  readonly medianNs: number;
  /** How many times faster than the control: the median over rounds of control ÷ subject. */
  readonly timesControl: number;
}

/** Returns one row per packet, operation and subject; `progress` is told of each round. */
export function measureCodec(plan: CodecPlan, progress?: (text: string) => void): CodecRow[] {
  const rows: CodecRow[] = [];
  for (const packet of CASES) {
    for (const operation of ["encode", "decode"] as const) {
      progress?.(`codec: ${operation} ${packet.name}`);
      rows.push(...compare(packet, operation, plan));
    }
  }
  return rows;
}

function compare(packet: Case, operation: "encode" | "decode", plan: CodecPlan): CodecRow[] {
  const turns = SUBJECTS.map((subject) => prepare(subject, packet, operation));
  const batches = turns.map((turn) => calibrate(turn.run, plan.turnMs));
  for (let round = 0; round <= plan.rounds; round++) {
    const order = turns.map((_, i) => (round % 2 ? turns.length - 1 - i : i));
    for (const i of order) {
      const [turn, batch] = [turns[i], batches[i]];
      if (!turn || !batch) continue;
      const ns = time(turn.run, batch);
      if (round > 0) turn.roundsNs.push(ns);
    }
  }
  const control = turns.find((turn) => turn.subject === CODEC_CONTROL)?.roundsNs ?? [];
  return turns.map(({ subject, frameBytes, roundsNs }) => ({
    packet: packet.name,
    operation,
    subject,
    frameBytes,
    roundsNs,
    medianNs: median(roundsNs),
    timesControl: median(roundsNs.map((ns, i) => (control[i] ?? Number.NaN) / ns)),
  }));
}

interface Turn {
  readonly subject: string;
  readonly frameBytes: number;
  readonly run: (times: number) => void;
  readonly roundsNs: number[];
}

function prepare(subject: Subject, { packets }: Case, operation: "encode" | "decode"): Turn {
  const { encode, decode } = subject.create();
  const frames = packets.map((packet) => encode(packet));
  // What a subject decodes is what it encoded itself.
  const run = operation === "encode" ? loop(encode, packets) : loop(decode, frames as never[]);
  let bytes = 0;
  for (const frame of frames) bytes += sizeOf(frame);
  return { subject: subject.name, frameBytes: bytes / frames.length, run, roundsNs: [] };
}

// The last result stays reachable, so that no work can be optimised away.
export let kept: unknown;

function loop<In, Out>(operation: (one: In) => Out, inputs: readonly In[]): (n: number) => void {
  return (times) => {
    for (let left = times; left > 0; left -= inputs.length) {
      for (const input of inputs) kept = operation(input);
    }
  };
}

function calibrate(run: (times: number) => void, turnMs: number): number {
  let times = 1024;
  // Grows until a turn is long enough; this also lets the compiler finish.
  for (;;) {
    const ns = time(run, times) * times;
    if (ns >= turnMs * 1e6 || times >= 1 << 24) return times;
    times *= 2;
  }
}

function time(run: (times: number) => void, times: number): number {
  const from = process.hrtime.bigint();
  run(times);
  return Number(process.hrtime.bigint() - from) / times;
}

function sizeOf(frame: unknown): number {
  const parts: readonly unknown[] = Array.isArray(frame) ? frame : [frame];
  let bytes = 0;
  for (const part of parts) {
    // A frame is text or bytes.
    bytes += typeof part === "string" ? Buffer.byteLength(part) : (part as Uint8Array).byteLength;
  }
  return bytes;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
