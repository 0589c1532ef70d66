import { Socket } from "socket.io";
import type { AnySocket } from "./present.ts";

/** What sockets are asked. */
export interface Question {
  readonly event: string;
  readonly args: readonly unknown[];
  readonly timeoutMs: number;
}

/** What came of a question. */
export interface Asked {
  /** One per socket that answered, in the order of the answers. */
  readonly answers: readonly { readonly id: string; readonly answer: unknown }[];
  /** Those that did not answer in time, or have left. */
  readonly timedOut: readonly string[];
}

/**
 * Asks sockets, and does not wait for those that have left. `over` is called for each that is not
 * waited for any more. Throws what cannot be sent, and then nobody is waited for.
 */
export type Ask = (
  sockets: readonly AnySocket[],
  question: Question,
  over: (how: "answered" | "missed") => void,
) => Promise<Asked>;

/** What Socket.IO 4.8.4 keeps of the acknowledgements it waits for. */
interface Waiting {
  readonly acks: Map<number, (...given: unknown[]) => void>;
  readonly nsp: { readonly _ids: number };
}

type Leave = (socket: Socket) => void;

/** Returns what emits with an acknowledgement and tells what came of it. */
export function createAsk(): Ask {
  const leavesOf = createLeaves();

  return (sockets, { event, args, timeoutMs }, over) => {
    const tally = createTally(sockets.length, over);
    // One timer for all of this process: what is awaited is bounded by number, so each must be
    // small.
    const waiting = new Map<Socket, number>();
    const timer = setTimeout(() => {
      for (const socket of waiting.keys()) miss(socket);
    }, timeoutMs);
    const asked = tally.asked.finally(() => clearTimeout(timer));

    function forget(socket: Socket): void {
      const ackId = waiting.get(socket);
      if (ackId !== undefined) inside(socket).acks.delete(ackId);
      waiting.delete(socket);
      leavesOf(socket).delete(miss);
    }
    function miss(socket: Socket): void {
      forget(socket);
      tally.missed(socket.id);
    }
    function askLocal(socket: Socket): void {
      waiting.set(socket, inside(socket).nsp._ids);
      leavesOf(socket).add(miss);
      socket.emit(event, ...args, (answer: unknown) => {
        forget(socket);
        tally.answered(socket.id, answer);
      });
      if (!socket.connected && waiting.has(socket)) miss(socket);
    }
    function askRemote(socket: Exclude<AnySocket, Socket>): void {
      socket.timeout(timeoutMs).emit(event, ...args, (late: unknown, answer: unknown) => {
        if (late) tally.missed(socket.id);
        else tally.answered(socket.id, answer);
      });
    }
    try {
      for (const socket of sockets) {
        if (socket instanceof Socket) askLocal(socket);
        else askRemote(socket);
      }
    } catch (error) {
      for (const socket of waiting.keys()) forget(socket);
      tally.fail(error);
    }
    return asked;
  };
}

// One listener per socket, however many ask it.
function createLeaves(): (socket: Socket) => Set<Leave> {
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

/** Counts what comes until it is all there, or nobody waits for it any more. */
function createTally(count: number, over: (how: "answered" | "missed") => void) {
  const answers: { id: string; answer: unknown }[] = [];
  const timedOut: string[] = [];
  let missing = count;
  let end: (failed?: { readonly error: unknown }) => void = () => {};
  const asked = new Promise<Asked>((resolve, reject) => {
    end = (failed) => (failed ? reject(failed.error) : resolve({ answers, timedOut }));
  });
  function settled(how: "answered" | "missed"): void {
    missing--;
    over(how);
    if (missing === 0) end();
  }
  if (count === 0) end();
  return {
    asked,
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

// A local socket of Socket.IO has these, see Waiting.
function inside(socket: Socket): Waiting {
  return socket as unknown as Waiting;
}
