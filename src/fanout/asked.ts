import { Socket } from "socket.io";
import type { AnySocket } from "./present.ts";

/** Asks sockets, and does not wait for those that have left. */
export type Ask = (
  socket: AnySocket,
  question: {
    readonly event: string;
    readonly args: readonly unknown[];
    readonly timeoutMs: number;
  },
  told: (given: { readonly late: boolean; readonly answer: unknown }) => void,
) => void;

/** What Socket.IO 4.8.4 keeps of the acknowledgements it waits for; its timers end with an ack. */
interface Waiting {
  readonly acks: ReadonlyMap<number, (...given: unknown[]) => void>;
  readonly nsp: { readonly _ids: number };
}

/** Returns what emits with an acknowledgement and tells of it once. */
export function createAsk(): Ask {
  // One listener per socket, however many ask it.
  const leaving = new WeakMap<Socket, Set<() => void>>();

  function leavesOf(socket: Socket): Set<() => void> {
    const known = leaving.get(socket);
    if (known) return known;
    const all = new Set<() => void>();
    leaving.set(socket, all);
    socket.once("disconnect", () => {
      for (const leave of all) leave();
    });
    return all;
  }

  return (socket, { event, args, timeoutMs }, told) => {
    const local = socket instanceof Socket ? leavesOf(socket) : undefined;
    const { nsp, acks } = socket as unknown as Waiting; // of a local one, see above
    const id = nsp?._ids;
    let left = false;
    const leave = (): void => {
      left = true;
      acks.get(id)?.();
    };
    socket.timeout(timeoutMs).emit(event, ...args, (late: unknown, answer: unknown) => {
      local?.delete(leave);
      told({ late: left || Boolean(late), answer });
    });
    local?.add(leave);
  };
}
