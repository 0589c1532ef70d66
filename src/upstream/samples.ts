import type { CallKind } from "../core/call.ts";
import type { FailureCode } from "../core/failures.ts";
import type { JournalSamples, LetterSamples } from "../core/journal.ts";
import type { PatchOutcome } from "../core/socket-state.ts";
import type { BreakerState } from "./breaker.ts";
import type { Queued } from "./limits.ts";

/** What one request carries, as metrics show it. */
export type CallType = CallKind | "batch";

/** What a request is counted by. */
export interface CallLabels {
  readonly type: CallType;
  /** Name of its route. */
  readonly route: string;
}

/** What the room counts, as plain numbers. */
export interface UpstreamSamples {
  /** Requests by `type route outcome`; the outcome is `answered` or a failure's code. */
  readonly calls: Readonly<Record<string, number>>;
  /** Events, connects and disconnects that were turned away before a request, by failure code. */
  readonly refused: Readonly<Partial<Record<FailureCode, number>>>;
  /** Events that went out in batches. */
  readonly batched: number;
  readonly retries: number;
  /** Answers that said something about their socket, by what became of that. */
  readonly states: Readonly<Record<PatchOutcome, number>>;
  readonly queued: Readonly<Queued>;
  readonly origins: readonly OriginSamples[];
  readonly goneEndpoints: number;
  readonly deadLetters: LetterSamples;
  /** Set where calls are written down. */
  readonly journal: JournalSamples | undefined;
}

/** One origin of the settings. */
export interface OriginSamples {
  readonly origin: string;
  readonly breaker: BreakerState;
  readonly opened: number;
  readonly inflight: number;
  readonly waiting: number;
}

/** Counts, until somebody looks. */
export interface Counts {
  readonly calls: Record<string, number>;
  readonly refused: Partial<Record<FailureCode, number>>;
  batched: number;
  retries: number;
  readonly states: Record<PatchOutcome, number>;
  /** A request ended, answered or with a failure. */
  called(labels: CallLabels, code: FailureCode | undefined, seconds: number): void;
  refuse(code: FailureCode): FailureCode;
}

/** Returns counts that start at nothing; `observe` hears each request's time. */
export function createCounts(observe: (labels: CallLabels, seconds: number) => void): Counts {
  const calls: Record<string, number> = {};
  const refused: Partial<Record<FailureCode, number>> = {};
  const counts: Counts = {
    calls,
    refused,
    batched: 0,
    retries: 0,
    states: { done: 0, old: 0, too_large: 0 },
    called(labels, code, seconds) {
      const key = `${labels.type} ${labels.route} ${code ?? "answered"}`;
      calls[key] = (calls[key] ?? 0) + 1;
      observe(labels, seconds);
    },
    refuse(code) {
      refused[code] = (refused[code] ?? 0) + 1;
      return code;
    },
  };
  return counts;
}
