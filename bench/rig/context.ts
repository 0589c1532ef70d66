import { UsageError } from "./args.ts";
import type { Build } from "./build.ts";
import type { JudgedRound } from "./estimate.ts";
import { type Flag, isValid, makeFlag } from "./flags.ts";
import { type Fit, findPeer, PEERS, whyNot } from "./peers.ts";
import {
  type Child,
  nodeWords,
  openGenerator,
  openSubject,
  type Placement,
  spawnChild,
} from "./process.ts";
import type { Context, Options, Witness } from "./scenario.ts";
import { createRandom, shuffle } from "./stats.ts";

/** What a scenario's run leaves behind. */
export interface Collected {
  readonly rounds: JudgedRound[];
  readonly witnesses: Witness[];
  readonly flags: Flag[];
  readonly subjects: Map<string, Readonly<Record<string, string>>>;
  /** Processes that the run has started, ended ones included. */
  readonly pids: Set<number>;
}

/** What a context stands on. */
export interface ContextNeeds {
  readonly options: Options;
  readonly build: Build;
  readonly placement: Placement;
  readonly signal: AbortSignal;
  readonly seed: number;
  readonly say: (text: string) => void;
  /** Prints a line that stays. */
  readonly note: (text: string) => void;
  /** Whether the time is over that the set has for the scenario. */
  readonly isLate: () => boolean;
  /** Programs of the peers that were asked for and could be built, by name. */
  readonly peers: ReadonlyMap<string, string>;
  /** Compiled gateways of other commits by subject name, such as `ours@main`. */
  readonly gateways: ReadonlyMap<string, string>;
}

/** A context as whoever made it has it. */
export interface OwnContext extends Context {
  readonly collected: Collected;
  /** Ends everything, and forgets the signal. */
  dispose(): Promise<void>;
}

/** Whom ours is measured beside, unless a scenario has controls of its own. */
const CONTROLS = ["bare", "stock-uws", "stock-ws"];

/** Returns the context of one scenario's run, and what it collects. */
export function createContext(needs: ContextNeeds): OwnContext {
  const random = createRandom(needs.seed);
  const children = new Set<Pick<Child, "pid" | "end">>();
  const collected: Collected = {
    ...{ rounds: [], witnesses: [], flags: [] },
    ...{ subjects: new Map(), pids: new Set() },
  };
  const keep = (child: Pick<Child, "pid" | "end">) => {
    children.add(child);
    collected.pids.add(child.pid);
  };
  const closeAll = async () => {
    await Promise.all([...children].map((child) => child.end()));
    children.clear();
  };
  // Whoever waits for a process is woken by its end.
  const onAbort = () => void closeAll();
  needs.signal.addEventListener("abort", onAbort, { once: true });
  return {
    collected,
    options: needs.options,
    signal: needs.signal,
    seed: needs.seed,
    subjects: (controls = CONTROLS, fit) => subjectsOf(controls, fit, needs),
    interleave: (subjects, blocks) => interleave(subjects, blocks, random, needs.signal),
    async openSubject(name, start = {}) {
      needs.signal.throwIfAborted();
      const program = needs.peers.get(name);
      const script = needs.build.script(name.startsWith("ours") ? "ours" : name);
      const more = name.startsWith("ours") ? { build: gatewayOf(name, needs) } : {};
      const options = { name, core: needs.placement.server, start: { ...start, ...more } };
      const subject = await openSubject(program ? [program] : nodeWords(script), options, keep);
      collected.subjects.set(name, subject.about);
      return subject;
    },
    async openProcess(script, side = "server") {
      needs.signal.throwIfAborted();
      const child = spawnChild(
        nodeWords(needs.build.script(script)),
        needs.placement[side],
        script,
      );
      keep(child);
      return child;
    },
    script: (name) => needs.build.script(name),
    gateway: (name) => gatewayOf(name, needs),
    placement: needs.placement,
    keep,
    async openGenerator() {
      needs.signal.throwIfAborted();
      return openGenerator(needs.build.script("generator"), needs.placement.client, keep);
    },
    closeAll,
    async dispose() {
      needs.signal.removeEventListener("abort", onAbort);
      await closeAll();
    },
    record(round) {
      // What cannot be said in JSON was not measured: a percentile of no connections.
      const told = Object.entries(round.values).filter(([, value]) => Number.isFinite(value));
      const valid = isValid(round.flags ?? []);
      collected.rounds.push({ ...round, values: Object.fromEntries(told), valid });
    },
    witness: (seen) => void collected.witnesses.push(seen),
    flag: (flag) => void collected.flags.push(flag),
    say: needs.say,
    isLate: needs.isLate,
  };
}

/** `--against` names some of the controls; what is ours is always measured. */
function subjectsOf(
  controls: readonly string[],
  fit: Fit | undefined,
  needs: ContextNeeds,
): string[] {
  const isComparison = needs.gateways.size > 0;
  const usual = [...controls, ...(needs.options.has("peers") ? PEERS.map(({ name }) => name) : [])];
  const named = needs.options.words("against", isComparison ? [] : usual);
  const asked = named.filter((name) => name !== "" && name !== "ours");
  const unknown = asked.filter((name) => !controls.includes(name) && !findPeer(name));
  if (unknown.length > 0)
    throw new UsageError(`--against ${unknown.join()} is none of ${controls.join(", ")}`);
  const others = asked.filter((name) => controls.includes(name) || isIn(name, fit, needs));
  return [...new Set([...others, ...(isComparison ? needs.gateways.keys() : ["ours"])])];
}

/** Whether a peer has a part in a case; one that was not built has been named already. */
function isIn(name: string, fit: Fit | undefined, needs: ContextNeeds): boolean {
  const peer = findPeer(name);
  if (peer === undefined || !needs.peers.has(name)) return false;
  const why = fit ? whyNot(peer, fit) : "it has no part here";
  if (why !== undefined) needs.note(`${name} is left out: ${why}`);
  return why === undefined;
}

function gatewayOf(name: string, needs: ContextNeeds): string {
  return needs.gateways.get(name) ?? needs.build.gateway();
}

/** Blocks of A B C C B A, the first order of each at random: two pairs a block. */
export function* interleave(
  subjects: readonly string[],
  blocks: number,
  random: () => number,
  signal: AbortSignal,
): Iterable<{ subject: string; pair: number }> {
  for (let block = 0; block < blocks; block++) {
    const order = shuffle(subjects, random);
    for (const [half, names] of [order, [...order].reverse()].entries()) {
      for (const subject of names) {
        signal.throwIfAborted();
        yield { subject, pair: block * 2 + half };
      }
    }
  }
}

/** A flag for fewer pairs than a claim needs. */
export function judgePairs(pairs: number, least: number): Flag[] {
  return pairs >= least ? [] : [makeFlag("warning", "few_pairs", `${pairs}`)];
}
