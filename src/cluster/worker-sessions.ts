import type { PrimarySessions } from "./log/primary.ts";
import type { Claimed } from "./recover.ts";
import { createSeal } from "./seal.ts";
import { type LiveSession, readSession, writeSession } from "./session-text.ts";
import type { SessionsSamples } from "./sessions.ts";
import type { WorkerBus } from "./worker-bus.ts";

/** What the primary keeps of sessions. */
export interface PrimarySessionLimits {
  /** How long a client may be away. */
  readonly windowMs: number;
  /** Lost sessions. */
  readonly sessionsMax: number;
  /** Bytes of all sessions, those of connected sockets included. */
  readonly bytesMax: number;
}

/** The sessions of a worker, which its primary keeps. */
export interface WorkerSessions {
  /** Keeps the session of a connected socket, for when this worker is killed. */
  keep(name: string, session: LiveSession): void;
  /** The socket is gone. */
  drop(name: string): void;
  /** The socket is gone, and its client may come back within the window. */
  lose(name: string, session: LiveSession): void;
  /** Takes the session of a client that comes back; nobody else gets it then. */
  claim(name: string, pid: string): Promise<Claimed | undefined>;
  samples(): SessionsSamples;
}

/** What the primary answers with. */
interface Answer {
  readonly session: string;
  /** Its worker was killed: it is as it was kept last. */
  readonly mayLag: boolean;
}

interface Live {
  readonly worker: string;
  readonly session: string;
}

/** How long a client waits for its worker to be found dead, or to find out that it has left. */
const WAIT_MS = 1_000;
const SWEEP_MS = 1_000;

/**
 * Returns the sessions of all workers. A worker's sockets are lost when it is gone. Over a limit
 * those that were lost first are dropped.
 */
export function createPrimarySessions(
  limits: PrimarySessionLimits,
): PrimarySessions & { stop(): void } {
  const live = new Map<string, Live>();
  const lost = new Map<string, Answer & { readonly until: number }>();
  /** Clients whose old socket is still there. */
  const waiting = new Map<string, Set<() => void>>();
  let bytes = 0;

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const [name, { until }] of lost) {
      if (until > now) break;
      take(name);
    }
  }, SWEEP_MS);
  sweep.unref();

  function take(name: string): Answer | undefined {
    const known = lost.get(name);
    if (!known) return undefined;
    lost.delete(name);
    const { session, mayLag } = known;
    bytes -= session.length;
    return { session, mayLag };
  }

  function drop(name: string): Live | undefined {
    const known = live.get(name);
    if (!known) return undefined;
    live.delete(name);
    bytes -= known.session.length;
    return known;
  }

  function trim(): void {
    for (const name of lost.keys()) {
      if (lost.size <= limits.sessionsMax && bytes <= limits.bytesMax) return;
      take(name);
    }
  }

  function lose(name: string, { session, mayLag }: Answer): void {
    take(name);
    lost.set(name, { session, mayLag, until: performance.now() + limits.windowMs });
    bytes += session.length;
    trim();
    wake(name);
  }

  function wake(name: string): void {
    for (const call of waiting.get(name) ?? []) call();
  }

  function keep(name: string, kept: Live): void {
    drop(name);
    live.set(name, kept);
    bytes += kept.session.length;
    trim();
    if (bytes > limits.bytesMax) drop(name);
  }

  /** Answers with a session, or without one when its socket is still connected after a while. */
  function claim(
    worker: string,
    name: string,
    answer: (session: Answer | undefined) => void,
  ): void {
    const holder = live.get(name)?.worker;
    if (holder === undefined || holder === worker) {
      answer(take(name));
      return;
    }
    const calls = waiting.get(name) ?? new Set();
    waiting.set(name, calls);
    const call = () => {
      clearTimeout(timer);
      calls.delete(call);
      if (calls.size === 0) waiting.delete(name);
      answer(take(name));
    };
    const timer = setTimeout(call, WAIT_MS);
    calls.add(call);
  }

  return {
    received(worker, part, answer) {
      const [word] = part;
      if (word === "keep") keep(part[1], { worker, session: part[2] });
      else if (word === "claim") claim(worker, part[2], answer);
      else {
        // One that goes on at another worker is that one's.
        if (live.get(part[1])?.worker === worker) drop(part[1]);
        if (word === "lose") lose(part[1], { session: part[2], mayLag: false });
        else wake(part[1]);
      }
    },
    left(worker) {
      for (const [name, each] of [...live]) {
        if (each.worker !== worker) continue;
        drop(name);
        lose(name, { session: each.session, mayLag: true });
      }
    },
    stop: () => clearInterval(sweep),
  };
}

/** Returns the sessions of this worker. `bytesMax` bounds each. */
export function createWorkerSessions(bus: WorkerBus, bytesMax: number): WorkerSessions {
  // What goes to the primary needs no signature.
  const seal = createSeal("", "");
  const kept = new Map<string, string>();
  const samples: SessionsSamples = { kept: 0, unfit: 0 };
  const unfit = new Set<string>();

  function write(name: string, session: LiveSession): string | undefined {
    const text = writeSession(session, { name, seal }, bytesMax);
    if (text !== undefined) unfit.delete(name);
    else if (!unfit.has(name)) {
      unfit.add(name);
      samples.unfit++;
    }
    return text;
  }

  function drop(name: string): void {
    if (kept.delete(name)) bus.send(["drop", name]);
  }

  return {
    keep(name, session) {
      const text = write(name, session);
      if (text === undefined) drop(name);
      else if (kept.get(name) !== text) {
        kept.set(name, text);
        bus.send(["keep", name, text]);
      }
    },
    drop(name) {
      unfit.delete(name);
      drop(name);
    },
    lose(name, session) {
      const text = write(name, session);
      unfit.delete(name);
      if (text === undefined) return;
      kept.delete(name);
      bus.send(["lose", name, text]);
    },
    async claim(name, pid) {
      const asked = bus.ask((number) => ["claim", number, name]).catch(() => undefined);
      const answer = (await asked) as Answer | undefined; // the primary is of this version
      const session = answer && readSession(answer.session, pid, { name, seal });
      return session && { session, mayLag: answer.mayLag };
    },
    samples() {
      samples.kept = kept.size;
      return samples;
    },
  };
}
