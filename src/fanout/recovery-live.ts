import type { Socket } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { eachStep } from "../core/loop.ts";
import { followData } from "../core/socket-state.ts";
import { sessionIdOf } from "../seam/socket-io.ts";
import type { History, HistoryOf } from "./recovery-rooms.ts";

/** Keeps the sessions of connected sockets. `name` is the namespace, a comma and the secret. */
export interface LiveSessionStore {
  /** Stores a session as it is now, if it has changed. */
  keep(name: string, session: LiveSession): void;
  /** Call when the socket is gone. */
  drop(name: string): void;
}

/** The session of a connected socket, with the history of its rooms if that is known. */
export interface LiveSession extends Partial<History> {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}

/** Interval at which a share of the sockets is checked. */
const LOOK_MS = 100;

/**
 * Writes each socket's session to a store when it connects, and when its rooms have changed or an
 * answer has changed its `data`, at most once per turn of the event loop. Handlers change `data`
 * without an event, so every session is also written every `checkpointMs`.
 */
export function createLiveSessions(
  store: LiveSessionStore,
  { checkpointMs, historyOf }: { readonly checkpointMs: number; readonly historyOf: HistoryOf },
) {
  const sockets = new Map<string, Socket>();
  const changed = new Set<string>();
  let planned = false;
  let walk = sockets.values();

  function sessionOf(socket: Socket): LiveSession {
    const { id: sid, data } = socket;
    return { sid, pid: pidOf(socket), rooms: [...socket.rooms], data, ...historyOf(socket) };
  }

  function touch(name: string): void {
    changed.add(name);
    if (planned) return;
    planned = true;
    setImmediate(flush);
  }

  function flush(): void {
    planned = false;
    for (const name of changed) report(name);
    changed.clear();
  }

  function report(name: string): void {
    const socket = sockets.get(name);
    if (socket?.connected) store.keep(name, sessionOf(socket));
    else {
      sockets.delete(name);
      store.drop(name);
    }
  }

  /** Writes the sessions of the next share of sockets. */
  function look(_now: number, elapsedMs: number): void {
    let count = Math.ceil((sockets.size * elapsedMs) / checkpointMs);
    while (count-- > 0) {
      const next = walk.next();
      if (next.done) {
        walk = sockets.values();
        return;
      }
      if (next.value.connected) store.keep(nameOf(next.value), sessionOf(next.value));
    }
  }

  const stop = eachStep(look, LOOK_MS, Math.max(LOOK_MS, checkpointMs / 10));

  return {
    watch(adapter: Adapter): void {
      const onChange = (id: string) => {
        const socket = adapter.nsp.sockets.get(id);
        if (socket) touch(nameOf(socket));
      };
      adapter.nsp.prependListener("connect", (socket: Socket) => {
        const name = nameOf(socket);
        sockets.set(name, socket);
        // Without the socket, which its data may outlive.
        followData(socket.data, () => touch(name));
        onChange(socket.id);
      });
      for (const method of ["addAll", "del", "delAll"] as const) follow(adapter, method, onChange);
    },
    /** Returns the socket of a session, if it is connected to this node. */
    find: (name: string) => sockets.get(name),
    stop,
  };
}

/** Calls `changed` with the socket's id after each call of `method`. */
function follow(
  adapter: Adapter,
  method: "addAll" | "del" | "delAll",
  changed: (id: string) => void,
) {
  const before = Object.hasOwn(adapter, method) ? adapter[method] : undefined;
  const followed = function (this: Adapter, id: string, ...more: never[]): unknown {
    // Read the prototype at each call: fan-out may have replaced its methods since.
    const own = before ?? Reflect.get(Object.getPrototypeOf(this), method, this);
    const result: unknown = own.call(this, id, ...more);
    changed(id);
    return result;
  };
  Object.assign(adapter, { [method]: followed });
}

function nameOf(socket: Socket): string {
  return `${socket.nsp.name},${pidOf(socket)}`;
}

function pidOf(socket: Socket): string {
  return sessionIdOf(socket) as string; // with recovery on, every socket has one
}
