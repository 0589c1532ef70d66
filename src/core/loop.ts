import { performance } from "node:perf_hooks";
import { throwLater } from "./uncaught.ts";

/** Time between two steps while the process works. */
const BUSY_MS = 20;
/** Longest time between two steps while it does next to nothing. Each one wakes it up. */
const QUIET_MS = 500;
/** Busy shares of the time at which the steps come more often, and less often again. */
const BUSY_SHARE = 0.05;
const QUIET_SHARE = 0.025;
/** Timers fire up to a millisecond early. */
const EARLY_MS = 2;
/** A quiet process whose turns took this long on average had one that took nearly all of it. */
const SLOW_TURN_MS = 5;

/** What is known of the event loop since the step before. */
export interface Step {
  /** Monotonic time of this step. */
  readonly nowMs: number;
  /** Time since the step before. */
  readonly elapsedMs: number;
  /** The longest time for which something was delayed, as far as the steps can tell. */
  readonly lateMs: number;
}

interface Action {
  act(nowMs: number, elapsedMs: number): void;
  readonly leastMs: number;
  readonly mostMs: number;
  lastMs: number;
}

const watchers = new Set<(step: Step) => void>();
const actions = new Set<Action>();
let timer: NodeJS.Timeout | undefined;
let isBusy = true;
let stepMs = BUSY_MS;
/** When the next step is due, when the last one was, and when it was last judged how busy it is. */
let dueAt = 0;
let steppedAt = 0;
let judgedAt = 0;
let usedAtStep = performance.eventLoopUtilization();
let usedAtJudgement = usedAtStep;
let turnsAtStep = 0;

/**
 * Calls `record` at each step, before any action of {@link eachStep}; returns a function that ends
 * that. All who watch the event loop of a process share one timer, which does not keep it alive.
 *
 * A step comes every 20 ms while the process is busy for 5 % of the time or more. A block of the
 * event loop then shows as up to 20 ms less than it took. Otherwise a step comes every 500 ms, and
 * a block is found by how busy the process was in how few turns; on Node.js before 20.18, which
 * does not count turns, only if the step itself was late.
 */
export function watchSteps(record: (step: Step) => void): () => void {
  const one = (step: Step) => record(step); // twice the same function counts twice
  watchers.add(one);
  arm();
  return () => {
    watchers.delete(one);
    arm();
  };
}

/**
 * Calls `act` at steps that are about `leastMs` apart or more, and has a step come every `mostMs`
 * at least. It is given the monotonic time, and the time since its last call. Returns a function
 * that ends that.
 */
export function eachStep(act: Action["act"], leastMs: number, mostMs = QUIET_MS): () => void {
  const action: Action = { act, leastMs, mostMs, lastMs: performance.now() };
  actions.add(action);
  arm();
  return () => {
    actions.delete(action);
    arm();
  };
}

/** Starts or ends the steps, or has the next one come earlier. */
function arm(): void {
  if (watchers.size + actions.size === 0) {
    clearTimeout(timer);
    timer = undefined;
    return;
  }
  const now = performance.now();
  if (timer === undefined) begin(now);
  const next = chooseStep();
  if (timer !== undefined && now + next >= dueAt) return;
  clearTimeout(timer);
  stepMs = next;
  dueAt = now + stepMs;
  timer = setTimeout(step, stepMs).unref();
}

function begin(now: number): void {
  isBusy = true; // it was just started, or will be
  steppedAt = now;
  judgedAt = now;
  usedAtStep = performance.eventLoopUtilization();
  usedAtJudgement = usedAtStep;
  turnsAtStep = countTurns();
}

function chooseStep(): number {
  let ms = isBusy ? BUSY_MS : QUIET_MS;
  for (const { mostMs } of actions) ms = Math.min(ms, mostMs);
  return ms;
}

function step(): void {
  const nowMs = performance.now();
  const elapsedMs = nowMs - steppedAt;
  const lateMs = Math.max(0, nowMs - dueAt, stepMs > BUSY_MS ? findSlowTurn() : 0);
  steppedAt = nowMs;
  judge(nowMs);
  for (const record of watchers) call(() => record({ nowMs, elapsedMs, lateMs }));
  for (const action of actions) {
    if (nowMs - action.lastMs < action.leastMs - EARLY_MS) continue;
    const sinceMs = nowMs - action.lastMs;
    action.lastMs = nowMs;
    call(() => action.act(nowMs, sinceMs));
  }
  if (watchers.size + actions.size === 0) return;
  clearTimeout(timer); // of one that began when the last one had ended, in this step
  stepMs = chooseStep();
  dueAt = nowMs + stepMs;
  timer = setTimeout(step, stepMs).unref();
}

/** Calls what may run code of others. Its error is uncaught, but ends no other call and no step. */
function call(run: () => void): void {
  try {
    run();
  } catch (error) {
    throwLater(error);
  }
}

/** Returns how long one turn since the last step took, if it took nearly all of the busy time. */
function findSlowTurn(): number {
  const used = performance.eventLoopUtilization();
  const turns = countTurns();
  const { active } = performance.eventLoopUtilization(used, usedAtStep);
  const passed = turns - turnsAtStep;
  usedAtStep = used;
  turnsAtStep = turns;
  return passed > 0 && active / passed >= SLOW_TURN_MS ? active : 0;
}

/** Decides once in a while how often steps come. */
function judge(nowMs: number): void {
  if (nowMs - judgedAt < QUIET_MS) return;
  const used = performance.eventLoopUtilization();
  const { utilization } = performance.eventLoopUtilization(used, usedAtJudgement);
  const wasBusy = isBusy;
  isBusy = utilization >= (wasBusy ? QUIET_SHARE : BUSY_SHARE);
  judgedAt = nowMs;
  usedAtJudgement = used;
  if (!wasBusy || isBusy) return;
  usedAtStep = used;
  turnsAtStep = countTurns();
}

/** Returns how many turns the event loop has made; 0 where Node.js does not count them. */
function countTurns(): number {
  // Missing before Node.js 20.18, and in the types of 20.
  const { uvMetricsInfo } = performance.nodeTiming as { uvMetricsInfo?: { loopCount: number } };
  return uvMetricsInfo?.loopCount ?? 0;
}
