import { FAILURES } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { Span, Tracer } from "../core/trace.ts";
import { type Failed, type Outcomes, readAlone, readBatch, type Verdict } from "./answer.ts";
import { createGone, type Gone } from "./breaker.ts";
import type { Call, Clock } from "./call.ts";
import type { Durable } from "./durable.ts";
import { type Attempt, createOrigin, type Origin } from "./origins.ts";
import { type Load, postOf, type Sign, traceHeaders } from "./request.ts";
import type { Route, Routes } from "./routes.ts";
import type { Counts } from "./samples.ts";
import { beginAttempt, endAttempt } from "./spans.ts";

/** Makes the attempts of calls: one each, or as many as are allowed. */
export interface Attempts {
  /** Resolves with how the last attempt of a call ended. Never rejects. */
  deliver(call: Call): Promise<Outcomes>;
  /** Resolves with how the calls of a batch ended; it has an id of its own. Never rejects. */
  deliverBatch(id: string, calls: readonly Call[]): Promise<Outcomes>;
  /** Whether a call that failed so is to be tried again. */
  mayRetry(failed: Failed, call: Call): boolean;
  /** Resolves after the wait that follows so many attempts; at once when everything is to end. */
  backOff(attempts: number): Promise<void>;
  readonly origins: readonly Origin[];
  /** The routes whose functions answered that they are gone. */
  readonly gone: Gone;
  /** From now on nothing is tried again after a failure, and nobody waits for another attempt. */
  hurry(): void;
  close(): Promise<void>;
}

/** How many sockets are in each of some rooms, or what resolves with that. */
export type MaybeCounts = NonNullable<Call["counts"]> | Promise<NonNullable<Call["counts"]>>;

/** What attempts need. */
export interface AttemptsNeeds {
  readonly clock: Clock;
  readonly sign: Sign;
  readonly counts: Counts;
  /** How many sockets are in rooms. Never rejects. */
  count(namespace: string, rooms: readonly string[]): MaybeCounts;
  readonly trace: Tracer | undefined;
  /** An origin's breaker opened. */
  opened(origin: string): void;
  /** A function answered 410. */
  gone(route: Route): void;
  /** A request failed, or a call of a batch did; `call` is the first of them. */
  failed(call: Call, failed: Failed, calls: number): void;
  /** Set where calls are written down. */
  durable(): Pick<Durable, "isUncertain" | "own"> | undefined;
  /** How long calls are tried again, if the settings leave it open. */
  readonly retryForMs: number;
}

/** An attempt that is made as soon as it may be. */
interface Begun {
  /** Never rejects. */
  readonly verdict: Promise<Verdict>;
  /** Counts the attempt, and says how its calls ended. */
  read(verdict: Verdict): Outcomes;
}

/**
 * Returns the attempts at the origins of the settings.
 *
 * Calls that nobody waits for are tried for `retryForMs` and up to `attemptsMax` times, with full
 * jitter and within the origin's retry budget; a retry that the budget does not cover waits longer
 * instead of counting. The others are tried once.
 */
export function createAttempts(
  settings: Settings["upstream"],
  routes: Routes,
  needs: AttemptsNeeds,
): Attempts {
  const { clock, counts, durable } = needs;
  const origins = new Map<string, Origin>();
  for (const { origin } of routes.all) {
    const opened = () => needs.opened(origin);
    if (!origins.has(origin))
      origins.set(origin, createOrigin(origin, settings, { clock, opened }));
  }
  const gone = createGone(settings.goneMs, clock.now);
  const retryForMs = settings.retryForMs || needs.retryForMs;
  const waits = createWaits();
  let hurried = false;

  async function carry(load: Load): Promise<Outcomes> {
    const origin = origins.get(load.call.route.origin);
    if (!origin) throw new Error(`${load.call.route.origin} is no origin of the settings`);
    for (;;) {
      if (durable()?.isUncertain(load.calls)) await durable()?.own();
      if (load.call.route.presence) await countRooms(load.calls);
      const attempt = begin(load, origin);
      const outcomes = attempt.read(await attempt.verdict);
      const { failed } = outcomes;
      // The members of a batch may have come with attempts of their own: each counts for itself.
      if (!failed || !load.calls.every((call) => mayRetry(failed, call))) return outcomes;
      do await backOff(load.attempts);
      while (!hurried && !origin.takeRetry());
    }
  }

  /** Makes one attempt; its verdict is to be read. */
  function begin(load: Load, origin: Origin): Begun {
    const { calls, call, isBatch } = load;
    const { deadline, route, kind } = call;
    let begunAt = 0;
    let probed: ReturnType<Gone["begin"]>;
    let span: Span | undefined;
    const one: Attempt = {
      urgent: deadline !== undefined,
      isRetry: load.attempts > 0,
      whyNot() {
        // Another node may have them now.
        if (calls.every(({ isOver }) => isOver)) return "UPSTREAM_STOPPING";
        if (durable()?.isUncertain(calls)) return "UPSTREAM_AWAY";
        // The 410 may come while this waits in the line, or for another attempt.
        if (gone.has(route)) return "UPSTREAM_GONE";
        // Timers may be late, and a function would do what its client is told it did not.
        return deadline !== undefined && deadline - clock.now() < 1
          ? "UPSTREAM_TIMEOUT"
          : undefined;
      },
      post() {
        if (load.attempts++ > 0) counts.retries++;
        begunAt = clock.now();
        for (const each of calls) {
          each.attempts++;
          each.begunAt ??= begunAt;
          each.isSent = true;
        }
        probed = gone.begin(route);
        const leftMs = (deadline ?? begunAt + settings.timeoutMs) - begunAt;
        const post = postOf(load, leftMs, needs.sign);
        if (needs.trace) span = beginAttempt(needs.trace, { ...load, bytes: post.body.length });
        const trace = span ?? (isBatch ? undefined : call.trace);
        if (trace) post.headers.push(...traceHeaders(trace));
        return post;
      },
      heard(verdict) {
        for (const each of calls) each.isSent = false;
        const isGone = !verdict.ok && verdict.code === "UPSTREAM_GONE";
        if (isGone) {
          if (gone.add(route, probed)) needs.gone(route);
        } else if (probed) gone.probed(route, probed, verdict.ok || verdict.status !== undefined);
      },
    };
    const made = origin.make(one);
    if (one.urgent) call.giveUp = made.giveUp;
    function read(verdict: Verdict): Outcomes {
      const outcomes = isBatch ? readBatch(verdict) : readAlone(kind, verdict);
      if (begunAt === 0) return outcomes;
      const { failed } = outcomes;
      const what = { type: isBatch ? "batch" : kind, route: route.name } as const;
      counts.called(what, failed?.code, (clock.now() - begunAt) / 1000);
      if (failed) needs.failed(call, failed, calls.length);
      if (span) endAttempt(span, verdict, failed?.code);
      return outcomes;
    }
    return { verdict: made.verdict, read };
  }

  /** Has calls show how many sockets are in their rooms now. */
  async function countRooms(calls: readonly Call[]): Promise<void> {
    const counted = calls.map(async (call) => {
      call.counts = await needs.count(call.namespace, call.state.rooms());
      call.body = undefined;
    });
    await Promise.all(counted);
  }

  function mayRetry({ code }: Failed, call: Call): boolean {
    if (hurried || call.deadline !== undefined || call.once) return false;
    if (call.isOver || call.isTaken) return false;
    if (call.attempts >= settings.attemptsMax || !FAILURES[code].retry) return false;
    return call.begunAt === undefined || clock.now() - call.begunAt < retryForMs;
  }

  function backOff(attempts: number): Promise<void> {
    return waits.wait(hurried ? 0 : backoff(attempts, settings));
  }

  return {
    deliver: (call) => carry({ id: call.id, isBatch: false, calls: [call], call, attempts: 0 }),
    async deliverBatch(id, calls) {
      const [call] = calls;
      if (!call) throw new Error("a batch has calls");
      return carry({ id, isBatch: true, calls, call, attempts: 0 });
    },
    mayRetry,
    backOff,
    origins: [...origins.values()],
    gone,
    hurry() {
      hurried = true;
      waits.end();
    },
    async close() {
      await Promise.all([...origins.values()].map((origin) => origin.close()));
    },
  };
}

/** Waits that can all be ended. */
function createWaits() {
  const waits = new Map<NodeJS.Timeout, () => void>();
  return {
    wait: (ms: number) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          waits.delete(timer);
          resolve();
        }, ms);
        waits.set(timer, resolve);
      }),
    end() {
      for (const [timer, resolve] of waits) {
        clearTimeout(timer);
        resolve();
      }
      waits.clear();
    },
  };
}

/**
 * Returns how long to wait before attempt `attempt` + 1: anything from 0 to a bound that doubles
 * (full jitter), so that the retries of many sockets spread out.
 */
export function backoff(
  attempt: number,
  { retryMs, retryMsMax }: { readonly retryMs: number; readonly retryMsMax: number },
  random: () => number = Math.random,
): number {
  return random() * Math.min(retryMsMax, retryMs * 2 ** Math.min(attempt - 1, 30));
}
