/**
 * Commands that wait for their time: the port between `fanout/`, which gives them and keeps them in
 * memory, and `cluster/`, which keeps them in Redis or in the primary of workers.
 */
import type { CommandCaller, DelayableCommand } from "./command.ts";
import type { TraceContext } from "./trace.ts";
import { zeros } from "./zeros.ts";

/** A command as it is kept: without `afterMs` and `key`. */
export interface DelayedCommand {
  readonly command: DelayableCommand;
  readonly caller: CommandCaller;
  /** What gave it, for traces. */
  readonly trace?: TraceContext | undefined;
}

/** When a command is due, and by what it can be found until then. */
export interface Delay {
  readonly afterMs: number;
  readonly key?: string | undefined;
}

/** What {@link Delays} did when it was asked to keep a command. */
export type KeptDelay = "kept" | "full" | "away";

/** Carries a command out whose time has come; resolves with whether it was, and never rejects. */
export type CarryOutDelayed = (delayed: DelayedCommand, lateMs: number) => Promise<boolean>;

/** The commands that wait for their time. */
export interface Delays {
  /**
   * Keeps a command. It replaces the one that waits under the same key in the same
   * namespace. `full`: there are too many, or too large ones. `away`: Redis has not confirmed it;
   * it may be kept all the same.
   */
  keep(delayed: DelayedCommand, delay: Delay): Promise<KeptDelay>;
  /** Forgets a command; resolves with whether there was one. */
  cancel(namespace: string, key: string): Promise<boolean | "away">;
  /** Names who carries out. Nothing is carried out before. */
  begin(carryOut: CarryOutDelayed): void;
  readonly samples: DelaySamples;
  /** Carries out no more, and waits for those that are under way. */
  stop(): Promise<void>;
}

/** What became of commands that waited. */
export const DELAY_OUTCOMES = [
  "done",
  "refused",
  "cancelled",
  "replaced",
  "lost",
  "unreadable",
  "full",
  "away",
] as const;
/** One of {@link DELAY_OUTCOMES}. */
export type DelayOutcome = (typeof DELAY_OUTCOMES)[number];

/** What is counted of commands that wait, as plain numbers. */
export interface DelaySamples {
  /** Commands that wait, and their bytes; of all nodes or workers, as of the last answer. */
  pending: number;
  bytes: number;
  /** Commands that were kept. */
  kept: number;
  readonly outcomes: Record<DelayOutcome, number>;
}

/** Returns samples that are all 0. */
export function createDelaySamples(): DelaySamples {
  return { pending: 0, bytes: 0, kept: 0, outcomes: zeros(DELAY_OUTCOMES) };
}

/** Returns the name of a key among those of all namespaces, whose names have no comma. */
export function nameDelay(namespace = "/", key: string): string {
  return `${namespace},${key}`;
}
