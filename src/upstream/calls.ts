import type { CallHandshake, CallKind } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import type { LetterStore } from "../core/journal.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { TraceContext, Tracer } from "../core/trace.ts";
import type { Answered, Failed, Outcome } from "./answer.ts";
import type { Gone } from "./breaker.ts";
import {
  type Call,
  type CalledSocket,
  type Clock,
  type Ended,
  type Lane,
  traceOf,
  writeMembers,
} from "./call.ts";
import { letterOf } from "./dead-letters.ts";
import type { Durable } from "./durable.ts";
import type { Lanes } from "./lanes.ts";
import { createLimits, type Limits, type Queued } from "./limits.ts";
import type { Routes } from "./routes.ts";
import type { Counts } from "./samples.ts";
import { beginCall, endCall } from "./spans.ts";

/** Something to tell a function. */
export interface Given {
  /** Of what others may tell, too; left out: a new one. */
  readonly id?: string;
  readonly kind: CallKind;
  /** Name of the client's event; of the others, their kind. */
  readonly subject: string;
  /** Of a connect call. */
  readonly handshake?: CallHandshake;
  /** The other members of the body. */
  readonly members?: object;
  /** How long a client waits for it. */
  readonly timeoutMs?: number;
  /** Hears once how it ended; never of what is refused at once. */
  readonly ended?: Ended;
  /** What caused it. */
  readonly trace: TraceContext | undefined;
  /** Hears that it is written down, so that it will be delivered whatever happens to this node. */
  readonly kept?: () => void;
  /** Hears why it was refused after it had been admitted. */
  readonly refused?: (code: FailureCode) => void;
  /** Name of the lease's record that is struck when it is written down. */
  readonly strikes?: string | undefined;
}

/** Where calls begin and end. */
export interface Calls {
  /** Puts a call into a socket's lane; returns why not. Nothing is kept of what is refused. */
  admit(socket: CalledSocket, lane: Lane, given: Given): FailureCode | undefined;
  /** Puts a call into a lane that was admitted before, and given up. */
  readmit(lane: Lane, call: Call): void;
  /** Ends a call of a lane. */
  end(lane: Lane, call: Call, outcome: Outcome): void;
  /** Another node goes on with a call. */
  drop(call: Call): void;
  /** Refuses a call that has been admitted. */
  refuse(call: Call, code: FailureCode): void;
  /** Ends all that wait in lanes. */
  abandon(code: FailureCode): void;
  /** Calls that a stop has left in the journal, and those that no other node will deliver. */
  readonly left: { readonly kept: number; readonly ended: number };
  /** Refuses everything from now on but disconnects: who was let in has to leave. */
  close(): void;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
  readonly queued: Queued;
  /** Who waits for room. */
  readonly limits: Pick<Limits, "isFull" | "whenRoom" | "forget">;
}

/** What calls need. */
export interface CallsNeeds {
  readonly clock: Clock;
  readonly routes: Routes;
  readonly gone: Pick<Gone, "has">;
  readonly letters: LetterStore;
  readonly counts: Counts;
  lanes(): Lanes;
  /** There is none where calls are in memory alone. */
  durable(): Durable | undefined;
  newId(prefix: string): string;
  /** A call failed without an attempt. */
  failed(call: Call, failed: Failed): void;
  /** Carries out commands, which `trace` caused. */
  apply(commands: readonly Command[], trace: TraceContext | undefined): unknown;
  readonly trace: Tracer | undefined;
}

/** Returns the calls of a gateway: bounded per socket, over all sockets, and by bytes. */
export function createCalls(settings: Settings["upstream"], needs: CallsNeeds): Calls {
  const { clock, routes, gone, letters, counts } = needs;
  const queued: Queued = { events: 0, bytes: 0, pausedBytes: 0 };
  const limits = createLimits(settings, queued);
  const left = { kept: 0, ended: 0 };
  let closed = false;
  let idle: (() => void) | undefined;

  function admit(socket: CalledSocket, lane: Lane, given: Given): FailureCode | undefined {
    const { kind, subject, members, handshake, timeoutMs } = given;
    // A disconnect is the last of its lane: one more is a bound too.
    const isLast = kind === "disconnect";
    if (closed && !isLast) return "UPSTREAM_STOPPING";
    const route = routes.find(kind, socket.namespace, subject);
    const path = route?.path(socket.namespace, subject);
    if (!route || path === undefined) return "UPSTREAM_NO_ROUTE";
    // Nobody could be told of these: the attempt refuses them, and they are kept as dead letters.
    const isToldToNobody = isLast || kind === "connected";
    if (gone.has(route) && !isToldToNobody) return "UPSTREAM_GONE";
    // Before it is written: a refused call should be cheap.
    const early = isLast ? undefined : limits.check(kind, lane, 0);
    if (early) return early;
    const text = members ? writeMembers(members) : "";
    if (text === undefined) return "UPSTREAM_BAD_ARGS";
    const bytes = Buffer.byteLength(text);
    const code = limits.check(kind, lane, bytes);
    if (code && !isLast) return code;
    const at = clock.wall();
    // Member by member: spreading them costs as much as all the rest.
    const call: Call = {
      id: given.id ?? needs.newId("evt"),
      kind,
      namespace: socket.namespace,
      socketId: socket.id,
      subject: kind === "event" ? subject : "",
      at,
      order: nextOrder(lane, at),
      trace: given.trace,
      route,
      path,
      state: socket,
      handshake,
      members: text,
      bytes,
      deadline: timeoutMs === undefined ? undefined : clock.now() + timeoutMs,
      once: false,
      ended: given.ended,
      kept: given.kept,
      refused: given.refused,
      attempts: 0,
      begunAt: undefined,
      isOver: false,
      counts: undefined,
      isSent: false,
      isTaken: false,
      place: undefined,
      written: undefined,
      body: undefined,
      timer: undefined,
      giveUp: undefined,
      span: undefined,
    };
    begin(call);
    // Nobody could be told that a disconnect is refused: it is kept with the dead letters.
    if (code) settle(call, failed(code));
    else {
      // Only calls that nobody waits for can be delivered by another node.
      if (timeoutMs === undefined) needs.durable()?.write(lane, call, given.strikes);
      enter(lane, call, timeoutMs);
    }
    return undefined;
  }

  /** Returns the `order` of a lane's next call, which is made at `at`. */
  function nextOrder(lane: Lane, at: number): number {
    // A clock may be set back, and calls of a millisecond have an order too.
    lane.order = Math.max(at * 1000, lane.order + 1);
    return lane.order;
  }

  function begin(call: Call): void {
    queued.events++;
    queued.bytes += call.bytes;
    if (needs.trace) call.span = beginCall(needs.trace, call);
  }

  function enter(lane: Lane, call: Call, timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined) call.timer = setTimeout(() => expire(lane, call), timeoutMs);
    needs.lanes().push(lane, call);
  }

  /** Ends a call that its client has stopped waiting for, wherever it is but on the wire. */
  function expire(lane: Lane, call: Call): void {
    // There the request's own deadline ends it.
    if (call.attempts > 0) return;
    needs.lanes().take(lane, call);
    settle(call, failed("UPSTREAM_TIMEOUT"));
    call.giveUp?.();
  }

  /** Ends a call without doing anything more about it. Returns whether it was not over. */
  function close(call: Call): boolean {
    if (call.isOver) return false;
    call.isOver = true;
    clearTimeout(call.timer);
    queued.events--;
    queued.bytes -= call.bytes;
    if (queued.events === 0) idle?.();
    return true;
  }

  function settle(call: Call, given: Outcome): void {
    if (!close(call)) return;
    const outcome = given.ok ? withState(call, given) : given;
    if (!outcome.ok && call.attempts === 0) {
      counts.refuse(outcome.code);
      needs.failed(call, outcome);
    }
    if (call.deadline === undefined) conclude(call, outcome);
    finish(call, outcome);
  }

  /** Tells those who wait for a call, or for its room in the queue. */
  function finish(call: Call, outcome: Outcome): void {
    call.ended?.(outcome, traceOf(call));
    if (call.span) endCall(call.span, call, outcome);
    limits.freed(call);
  }

  /** Does what an answer says about the socket, before anything else that it says. */
  function withState(call: Call, outcome: Answered): Outcome {
    const { data, rooms } = outcome.answer;
    // Whoever lets the socket in does it there.
    if (call.kind === "connect" || (data === undefined && rooms === undefined)) return outcome;
    const updated = call.state.update(outcome.answer, call.order);
    counts.states[updated.outcome]++;
    if (updated.outcome === "done" && call.place) needs.durable()?.changed();
    if (updated.outcome === "too_large") return failed("UPSTREAM_DATA_TOO_LARGE");
    return { ...outcome, moved: updated.moved };
  }

  /** Does what is to be done where no client waits. */
  function conclude(call: Call, outcome: Outcome): void {
    // Who answers 422 has read the event; all else may be a mistake that somebody repairs.
    const isDone = outcome.ok || outcome.status === 422;
    needs.durable()?.forget(call, isDone);
    if (outcome.ok) {
      const { commands } = outcome.answer;
      if (commands.length > 0) needs.apply(commands, traceOf(call));
    } else if (!isDone && !call.isTaken) {
      letters.add(letterOf(call, outcome, clock.wall()), call.place);
    }
  }

  /** Has another node go on with a call: it stays in the journal. */
  function drop(call: Call): void {
    if (!close(call)) return;
    if (closed) left.kept++;
    needs.durable()?.forget(call, false);
    finish(call, failed("UPSTREAM_STOPPING"));
  }

  /** Refuses a call that has been admitted; what cannot be refused goes on, or is kept. */
  function refuse(call: Call, code: FailureCode): void {
    if (call.kind === "event") {
      if (!close(call)) return;
      counts.refuse(code);
      needs.durable()?.forget(call, false);
      call.refused?.(code);
      finish(call, failed(code));
    } else if (code === "UPSTREAM_SATURATED") settle(call, failed(code));
  }

  /** Ends a call of a lane, or leaves it in the journal when a stop cuts it short. */
  function end(lane: Lane, call: Call, outcome: Outcome): void {
    const isCut = !outcome.ok && closed && call.place && FAILURES[outcome.code].retry;
    if (!isCut) {
      settle(call, outcome);
      return;
    }
    // What is behind it is not to overtake it.
    lane.isLeft = true;
    for (const each of [call, ...lane.calls]) if (each.place) drop(each);
  }

  return {
    admit,
    readmit(lane, call) {
      begin(call);
      enter(lane, call, undefined);
    },
    ...{ end, drop, refuse },
    abandon(code) {
      for (const lane of needs.lanes().all()) {
        for (const call of lane.calls.splice(0)) {
          if (call.place) drop(call);
          else {
            if (call.deadline === undefined && !call.isOver) left.ended++;
            settle(call, failed(code));
          }
        }
      }
    },
    close() {
      closed = true;
    },
    idle: () =>
      new Promise((resolve) => {
        // Only once what has ended was told: who left during a connect call leaves then.
        idle = () =>
          setImmediate(() => {
            if (queued.events === 0) resolve();
          });
        if (queued.events === 0) idle();
      }),
    ...{ queued, limits, left },
  };
}

function failed(code: FailureCode): Failed {
  return { ok: false, code };
}
