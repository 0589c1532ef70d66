import { createHash } from "node:crypto";
import type { CallHandshake } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { Span, TraceContext, Tracer } from "../core/trace.ts";
import { type Answer, type Outcome, readRefusal } from "./answer.ts";
import { type CalledSocket, suspect } from "./call.ts";
import type { Calls } from "./calls.ts";
import type { Lanes } from "./lanes.ts";
import { beginEvent } from "./spans.ts";

/**
 * What the functions say to an event whose client waits: arguments of its ack, or why there are
 * none.
 */
export type EventReply =
  | { readonly ack: readonly unknown[] }
  | { readonly code: FailureCode; readonly message?: string | undefined; readonly data?: unknown };

/** Why a socket is not let in. */
export class ConnectRefused extends FailureError {
  /** What the function says to the client. */
  readonly says: string | undefined;
  readonly data: unknown;
  constructor(code: FailureCode, says?: string, data?: unknown) {
    super(code);
    this.says = says;
    this.data = data;
  }
}

/** The answer to a connect call. */
interface LaneAnswer extends Answer {
  /** Where the call is in the order of the socket. */
  readonly order: number;
  /** What its commands belong to in traces. */
  readonly trace?: TraceContext;
}

/** The calls about one socket, one at a time and in order. */
export interface SocketCalls {
  /** Asks whether the socket may enter. Rejects with {@link ConnectRefused}. */
  connect(handshake: CallHandshake): Promise<LaneAnswer>;
  /** Tells that the socket is in, if a function wants to know. */
  connected(recovered: boolean): void;
  /**
   * Hands an event on. With `answer`, it is called once with what the function says. Returns why
   * the event was refused at once; then `answer` is never called.
   */
  event(
    name: string,
    args: readonly unknown[],
    answer?: (reply: EventReply) => void,
  ): FailureCode | undefined;
  /** Whether its queue, or that of all sockets, can take no more events. */
  isFull(): boolean;
  /** Calls back once there is room again, unless it ends before. */
  whenRoom(call: () => void): void;
  /**
   * The last word: the socket is gone. Without a reason nobody is told.
   */
  end(reason?: string, how?: Ending): void;
}

/** What comes of telling that a socket is gone. */
export interface Ending {
  /**
   * Called once, when this node need not care any more: a function has been told, the call is
   * written down where it outlives the node, or it has become a dead letter.
   */
  readonly done?: () => void;
  /** Name of the socket's record in the lease; struck in the same step as the call is written. */
  readonly strikes?: string;
  /** The node whose socket it was. Who tells the same of it makes the call under the same id. */
  readonly of?: string;
}

/** What the calls of all sockets share. */
export interface SocketCallsNeeds {
  readonly settings: Settings["upstream"];
  readonly calls: Calls;
  readonly lanes: Lanes;
  /** Starts the commands. Resolves when sockets have joined, left and been disconnected. */
  apply(commands: readonly Command[], trace: TraceContext | undefined): Promise<void>;
  readonly trace: Tracer | undefined;
  refused(code: FailureCode): FailureCode;
}

/** Returns the calls about one socket. Its `end` is to be called, or its lane stays. */
export function openSocketCalls(socket: CalledSocket, needs: SocketCallsNeeds): SocketCalls {
  const { settings, calls, lanes, apply, trace: tracer, refused } = needs;
  const lane = lanes.open(`${socket.namespace},${socket.id}`);
  const acks = createAckOrder();
  const trace = tracer?.followsClients === false ? undefined : socket.trace;
  let isOpen = true;
  lane.socket = socket;
  // A recovered socket may come from a node whose clock is ahead.
  lane.order = Math.max(lane.order, socket.describe().version ?? 0);
  if (socket.mayBeElsewhere) suspect(lane);

  function answered(
    outcome: Outcome,
    answer: (reply: EventReply) => void,
    cause: TraceContext | undefined,
  ): void {
    const reply = replyOf(outcome);
    const commands = outcome.ok ? outcome.answer.commands : [];
    const moved = outcome.ok ? outcome.moved : undefined;
    // Whom the commands disconnect gets no ack after.
    if (commands.some(({ do: what }) => what === "disconnectSockets")) {
      acks.say(undefined, () => {
        answer(reply);
        void apply(commands, cause);
      });
    } else {
      // Whoever gets the ack may rely on what the commands did.
      const moves = [moved, commands.length > 0 ? apply(commands, cause) : undefined].filter(
        Boolean,
      );
      acks.say(moves.length > 0 ? Promise.all(moves) : undefined, () => answer(reply));
    }
  }

  return {
    connect: (handshake) =>
      new Promise((resolve, reject) => {
        const ended = (outcome: Outcome, cause?: TraceContext) =>
          outcome.ok
            ? resolve({ ...outcome.answer, order, ...(cause && { trace: cause }) })
            : reject(refusalOf(outcome));
        const code = calls.admit(socket, lane, {
          kind: "connect",
          subject: "connect",
          handshake,
          timeoutMs: settings.connectTimeoutMs,
          ...{ ended, trace },
        });
        const { order } = lane;
        if (code) ended({ ok: false, code: refused(code) });
      }),
    connected(recovered) {
      const members = { recovered };
      const code = calls.admit(socket, lane, {
        kind: "connected",
        subject: "connected",
        ...{ members, trace },
      });
      // Nobody has to.
      if (code && code !== "UPSTREAM_NO_ROUTE") refused(code);
    },
    event(name, args, answer) {
      const span = tracer && beginEvent(tracer, socket, { name, args });
      const say = answer && span ? endWith(span, answer) : answer;
      const code = calls.admit(socket, lane, {
        kind: "event",
        subject: name,
        members: { event: name, args, ack: answer !== undefined },
        trace: span ?? trace,
        ...(socket.refused && { refused: (code) => socket.refused?.(name, code) }),
        ...(say && {
          timeoutMs: settings.timeoutMs,
          ended: (outcome, cause) => answered(outcome, say, cause),
        }),
      });
      // An event without a route leaves for no function.
      if (span && code !== "UPSTREAM_NO_ROUTE" && (code || !say)) span.end(code);
      return code && refused(code);
    },
    isFull: () => calls.limits.isFull(lane),
    whenRoom(call) {
      if (isOpen) calls.limits.whenRoom(lane, call);
    },
    end(reason, { done, strikes, of } = {}) {
      if (!isOpen) return;
      isOpen = false;
      calls.limits.forget(lane);
      let isDone = false;
      const over = () => {
        if (!isDone) done?.();
        isDone = true;
      };
      const code =
        reason === undefined
          ? undefined
          : calls.admit(socket, lane, {
              kind: "disconnect",
              subject: "disconnect",
              members: { reason },
              trace,
              ...{ ended: over, kept: over, strikes },
              ...(of !== undefined && { id: lostId(of, lane.key) }),
            });
      // Nobody has to answer disconnects.
      if (code && code !== "UPSTREAM_NO_ROUTE") refused(code);
      if (code || reason === undefined) over();
      lanes.leave(lane);
    },
  };
}

/** Has a span end with the ack. */
function endWith(span: Span, answer: (reply: EventReply) => void): (reply: EventReply) => void {
  return (reply) => {
    answer(reply);
    span.end("code" in reply ? reply.code : undefined);
  };
}

/** A node that tells of lost sockets may die at it, and the next one tells of them again. */
function lostId(node: string, key: string): string {
  const hash = createHash("sha256").update(`${node} ${key}`).digest("base64url");
  return `evt_lost_${hash.slice(0, 24)}`;
}

/** Acks in the order of their events, though some wait for what commands move. */
function createAckOrder() {
  /** The last ack that waits for moves, or for one that does. */
  let last: Promise<void> | undefined;
  return {
    /** Says it once `ready` resolves, and after those before. */
    say(ready: Promise<unknown> | undefined, say: () => void): void {
      if (!ready && !last) {
        say();
        return;
      }
      const turn = Promise.all([last, ready]).then(() => {
        if (last === turn) last = undefined;
        say();
      });
      last = turn;
    },
  };
}

function replyOf(outcome: Outcome): EventReply {
  if (outcome.ok) return { ack: outcome.answer.ack ?? [] };
  return { code: outcome.code, ...readRefusal(outcome.body) };
}

function refusalOf(outcome: Exclude<Outcome, { ok: true }>): ConnectRefused {
  const { message, data } = readRefusal(outcome.body);
  return new ConnectRefused(outcome.code, message, data);
}
