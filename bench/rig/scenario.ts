import type { Flag } from "./flags.ts";
import type { Latency } from "./latency.ts";
import type { Fit } from "./peers.ts";
import type { Child, GeneratorHandle, Placement, SubjectHandle } from "./process.ts";

/** How long a run may take: a smoke test, the set for two cores in three minutes, or the whole. */
export type Mode = "quick" | "short" | "full";

/** Options of the command line, read by the scenario that knows them. */
export interface Options {
  readonly mode: Mode;
  /** Whether a switch was given, or an option. */
  has(name: string): boolean;
  /** Whether scenarios were asked for by name, so that one may take its time. */
  readonly isNamed: boolean;
  /** Numbers of `--name 10,100`, or those of the mode. */
  numbers(name: string, byMode: Readonly<Record<Mode, readonly number[]>>): readonly number[];
  /** One number of `--name 10`, or that of the mode. */
  number(name: string, byMode: Readonly<Record<Mode, number>>): number;
  /** Words of `--name a,b`, or the default. */
  words(name: string, byDefault: readonly string[]): readonly string[];
}

/** Something a scenario measures. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  /** One sentence for the reader of a table. */
  readonly text: string;
  /** Whether ratios of ours to the others are estimated from it. */
  readonly ratio: boolean;
}

/** Whether everything arrived; any loss voids a round. */
export interface Delivery {
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
}

/** One measurement of one subject. */
export interface Round {
  readonly subject: string;
  /** What was varied, such as `{ shape: "room", members: 1000 }`; equal params are compared. */
  readonly params: Readonly<Record<string, string | number>>;
  /** Rounds of different subjects with the same number were measured next to each other. */
  readonly pair: number;
  /** Measured values by metric name; other names are kept as context. */
  readonly values: Readonly<Record<string, number>>;
  readonly delivery?: Delivery;
  readonly latency?: Latency;
  readonly flags?: readonly Flag[];
}

/** What real Socket.IO clients made of some broadcasts, beside the raw ones that measure. */
export interface Witness {
  readonly subject: string;
  readonly params: Readonly<Record<string, string | number>>;
  readonly clients: number;
  readonly expected: number;
  readonly received: number;
  /** Messages whose content, number or order was not what was sent. */
  readonly wrong: number;
  /** Until the bytes arrived at raw clients. */
  readonly arrived: Latency;
  /** Until a real client's handler had the decoded event. */
  readonly decoded: Latency;
}

/** What a scenario is given. */
export interface Context {
  readonly options: Options;
  /** Ends the run when the user does; every wait of the context rejects then. */
  readonly signal: AbortSignal;
  readonly seed: number;
  /**
   * The subjects to measure: `--against` or the controls, and ours. Peers take part where a
   * scenario says which case it is; whoever was asked for and does not fit is named in a line.
   */
  subjects(controls?: readonly string[], fit?: Fit): readonly string[];
  /**
   * Yields who is measured next: blocks of A B C C B A with a random first order, so that drift of
   * the machine meets all alike. Two pairs a block.
   */
  interleave(
    subjects: readonly string[],
    blocks: number,
  ): Iterable<{ subject: string; pair: number }>;
  /** Starts a fresh process of a subject on the server's core. It ends with the scenario. */
  openSubject(name: string, options?: Readonly<Record<string, unknown>>): Promise<SubjectHandle>;
  /** Starts a fresh generator on the client's core. It ends with the scenario. */
  openGenerator(): Promise<GeneratorHandle>;
  /**
   * Starts a fresh process of any script in `bench/subjects/`, on the server's core unless it is
   * said to belong to the client's side. It ends with the scenario.
   */
  openProcess(script: string, side?: keyof Placement): Promise<Child>;
  /** Path of a compiled script of `bench/subjects/`. */
  script(name: string): string;
  /** Folder of the compiled gateway of a subject that is ours. */
  gateway(name: string): string;
  readonly placement: Placement;
  /** Counts a process that the scenario started by itself as its own, and ends it with the rest. */
  keep(process: Pick<Child, "pid" | "end">): void;
  /** Ends what was opened since; for scenarios of several cases. */
  closeAll(): Promise<void>;
  /** Keeps a round; it is on disk even when the run is interrupted later. */
  record(round: Round): void;
  /** Keeps what real clients saw. */
  witness(seen: Witness): void;
  /** Raises a flag on the whole result. */
  flag(flag: Flag): void;
  /** Shows what is being done now. */
  say(text: string): void;
  /** Whether the time that the set has for this scenario is over, so that no more is begun. */
  isLate(): boolean;
}

/** One question with its load. A file in `bench/scenarios/` exports one as `scenario`. */
export interface Scenario {
  readonly name: string;
  readonly question: string;
  /** The first one is the primary. */
  readonly metrics: readonly Metric[];
  /** Whose cost the others are compared with; `ours` unless said otherwise. */
  readonly baseline?: string;
  /** The same of the cases with a `row` in their params, where it is another one. */
  readonly baselines?: Readonly<Record<string, string>>;
  /**
   * About how long it takes on two cores, per mode, and on its own where that is not its share of
   * the set; unknown where the user decides.
   */
  readonly seconds?: Readonly<Record<Mode, number>> & { readonly named?: number };
  /** False when there is no time for it in the set of all; `--full` runs it there, too. */
  readonly inSet?: boolean;
  /** False when nothing of `src/` has to be compiled for it. */
  readonly usesGateway?: boolean;
  run(context: Context): Promise<void>;
}
