import type { CallHandshake, CallSocket } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import type { Admission, LaneSocket } from "./admission.ts";
import {
  type ReadConnectAnswer,
  readConnectAnswer,
  readEventAnswer,
  readRefusal,
} from "./answer.ts";
import { connectBody, disconnectBody, eventBody } from "./body.ts";
import type { Lanes } from "./lanes.ts";
import type { Failed } from "./outcome.ts";
import type { Reply } from "./request.ts";

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

/** The calls about one socket, one at a time and in order. */
export interface Lane {
  /** Asks whether the socket may enter. Rejects with {@link ConnectRefused}. */
  connect(handshake: CallHandshake): Promise<ReadConnectAnswer>;
  /**
   * Hands an event on. With `answer`, it is called once with what the function says. Returns why
   * the event was refused at once; then `answer` is never called.
   */
  event(
    name: string,
    args: readonly unknown[],
    answer?: (reply: EventReply) => void,
  ): FailureCode | undefined;
  /**
   * The last word: the socket is gone. Without a reason nobody is told. `done` is called once
   * nobody needs to be told any more: a function has been, or it has become a dead letter.
   */
  end(reason?: string, done?: () => void): void;
}

/** What lanes share. */
export interface LaneRoom {
  readonly settings: Settings["upstream"];
  readonly admission: Admission;
  readonly lanes: Lanes;
  /** Starts the commands. Resolves when sockets have joined, left and been disconnected. */
  apply(commands: readonly Command[]): Promise<void>;
  refused(code: FailureCode): FailureCode;
}

/** Returns the calls about one socket. Its `end` is to be called, or the lane stays. */
export function openLane(socket: LaneSocket, room: LaneRoom): Lane {
  const { settings, admission, lanes, apply, refused } = room;
  const state = lanes.open(`${socket.namespace},${socket.id}`);
  const { id, namespace } = socket;
  let ended = false;
  /** The last ack that waits for moves, or for one that does. */
  let line: Promise<void> | undefined;
  const describe = (): CallSocket => ({ id, namespace, ...socket.describe() });

  /** Answers once `ready` resolves, and after the events before: acks keep the order of events. */
  function inLine(ready: Promise<void> | undefined, say: () => void): void {
    if (!ready && !line) {
      say();
      return;
    }
    const turn = Promise.all([line, ready]).then(() => {
      if (line === turn) line = undefined;
      say();
    });
    line = turn;
  }

  function event(
    name: string,
    args: readonly unknown[],
    answer?: (reply: EventReply) => void,
  ): FailureCode | undefined {
    const code = admission.admit(socket, state, {
      kind: "event",
      subject: name,
      body: () => eventBody(describe(), name, args, answer !== undefined),
      ...(answer && {
        timeoutMs: settings.timeoutMs,
        tell(reply: Reply) {
          const { said, commands } = readReply(reply);
          // Whoever gets the ack may rely on what the commands did. Whom they disconnect gets none
          // after.
          const last = !commands.some(({ do: what }) => what === "disconnectSockets");
          if (last) inLine(commands.length > 0 ? apply(commands) : undefined, () => answer(said));
          else {
            inLine(undefined, () => {
              answer(said);
              void apply(commands);
            });
          }
          return reply.ok && "code" in said ? said.code : undefined;
        },
      }),
    });
    return code && refused(code);
  }

  return {
    connect: (handshake) =>
      new Promise((resolve, reject) => {
        const refuse = (failed: Failed) => {
          const { message, data } = readRefusal(failed.body);
          reject(new ConnectRefused(failed.code, message, data));
        };
        const code = admission.admit(socket, state, {
          kind: "connect",
          subject: "connect",
          body: () => connectBody(describe(), handshake),
          timeoutMs: settings.connectTimeoutMs,
          tell(reply) {
            if (!reply.ok) {
              refuse(reply.failed);
              return undefined;
            }
            try {
              resolve(readConnectAnswer(reply.body));
              return undefined;
            } catch (error) {
              const code = codeOf(error);
              refuse({ ok: false, code });
              return code;
            }
          },
        });
        if (code) refuse({ ok: false, code: refused(code) });
      }),
    event,
    end(reason, done) {
      if (ended) return;
      ended = true;
      if (reason !== undefined) {
        const body = () => disconnectBody(describe(), reason);
        const given = { kind: "disconnect", subject: "disconnect", body, done } as const;
        const code = admission.admit(socket, state, given);
        // Nobody has to answer disconnects.
        if (code && code !== "UPSTREAM_NO_ROUTE") refused(code);
        if (code) done?.();
      } else done?.();
      lanes.leave(state);
    },
  };
}

function readReply(reply: Reply): { said: EventReply; commands: readonly Command[] } {
  const none = (said: EventReply) => ({ said, commands: [] });
  if (!reply.ok) return none({ code: reply.failed.code, ...readRefusal(reply.failed.body) });
  try {
    const { ack, commands } = readEventAnswer(reply.body);
    return { said: { ack }, commands };
  } catch (error) {
    return none({ code: codeOf(error) });
  }
}

function codeOf(error: unknown): FailureCode {
  if (error instanceof FailureError) return error.code;
  throw error;
}
