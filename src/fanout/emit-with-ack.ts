import { Socket } from "socket.io";
import { dropAck, nextAckId } from "../seam/socket-io.ts";
import type { AnySocket } from "./present.ts";

/** The acks of one `emitWithAck` command. */
export interface AckAnswers {
  /** One per socket that answered, in the order in which the answers came. */
  readonly answers: readonly { readonly id: string; readonly answer: unknown }[];
  /** The ids of sockets that left, or did not answer in time. */
  readonly timedOut: readonly string[];
}

/**
 * Emits to each socket and waits for its ack, but no longer for sockets that leave. Calls `over`
 * once for each socket when it no longer waits for it. Rejects if the event cannot be sent, and
 * then waits for none.
 */
export type EmitEach = (
  sockets: readonly AnySocket[],
  emit: { readonly event: string; readonly args: readonly unknown[]; readonly timeoutMs: number },
  over: (how: "answered" | "missed") => void,
) => Promise<AckAnswers>;

type Leave = (socket: Socket) => void;

/** Returns the function that carries out `emitWithAck` commands. */
export function createEmitEach(): EmitEach {
  const leaveHooksOf = createLeaveHooks();

  return (sockets, { event, args, timeoutMs }, over) => {
    const tally = createTally(sockets.length, over);
    // One timer for all local sockets of the command. Pending acks are bounded by number, not by
    // bytes, so each must be small.
    const waiting = new Map<Socket, number>();
    const timer = setTimeout(() => {
      for (const socket of waiting.keys()) miss(socket);
    }, timeoutMs);
    const result = tally.result.finally(() => clearTimeout(timer));

    function forget(socket: Socket): void {
      const ackId = waiting.get(socket);
      if (ackId !== undefined) dropAck(socket, ackId);
      waiting.delete(socket);
      leaveHooksOf(socket).delete(miss);
    }
    function miss(socket: Socket): void {
      forget(socket);
      tally.missed(socket.id);
    }
    function emitLocal(socket: Socket): void {
      waiting.set(socket, nextAckId(socket.nsp));
      leaveHooksOf(socket).add(miss);
      socket.emit(event, ...args, (answer: unknown) => {
        forget(socket);
        tally.answered(socket.id, answer);
      });
      if (!socket.connected && waiting.has(socket)) miss(socket);
    }
    function emitRemote(socket: Exclude<AnySocket, Socket>): void {
      socket.timeout(timeoutMs).emit(event, ...args, (late: unknown, answer: unknown) => {
        if (late) tally.missed(socket.id);
        else tally.answered(socket.id, answer);
      });
    }
    try {
      for (const socket of sockets) {
        if (socket instanceof Socket) emitLocal(socket);
        else emitRemote(socket);
      }
    } catch (error) {
      for (const socket of waiting.keys()) forget(socket);
      tally.fail(error);
    }
    return result;
  };
}

// One disconnect listener per socket, however many commands wait for it.
function createLeaveHooks(): (socket: Socket) => Set<Leave> {
  const leaving = new WeakMap<Socket, Set<Leave>>();
  return (socket) => {
    const known = leaving.get(socket);
    if (known) return known;
    const all = new Set<Leave>();
    leaving.set(socket, all);
    socket.once("disconnect", () => {
      for (const leave of all) leave(socket);
    });
    return all;
  };
}

/** Collects acks until every socket has answered or is no longer waited for. */
function createTally(count: number, over: (how: "answered" | "missed") => void) {
  const answers: { id: string; answer: unknown }[] = [];
  const timedOut: string[] = [];
  let missing = count;
  let end: (failed?: { readonly error: unknown }) => void = () => {};
  const result = new Promise<AckAnswers>((resolve, reject) => {
    end = (failed) => (failed ? reject(failed.error) : resolve({ answers, timedOut }));
  });
  function settled(how: "answered" | "missed"): void {
    missing--;
    over(how);
    if (missing === 0) end();
  }
  if (count === 0) end();
  return {
    result,
    answered(id: string, answer: unknown): void {
      if (missing === 0) return;
      answers.push({ id, answer });
      settled("answered");
    },
    missed(id: string): void {
      if (missing === 0) return;
      timedOut.push(id);
      settled("missed");
    },
    fail(error: unknown): void {
      for (; missing > 0; missing--) over("missed");
      end({ error });
    },
  };
}
