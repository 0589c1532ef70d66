import type { Namespace, Socket } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import type { History, HistoryOf } from "./recovery-rooms.ts";

/**
 * Where the sessions of living sockets are kept; a name is the namespace, a comma and the secret.
 */
export interface LivingStore {
  /** Keeps a session as it is now, if that is new. */
  keep(name: string, session: LivingSession): void;
  /** The socket is gone. */
  drop(name: string): void;
}

/** The session of a socket that lives, with what is known of when its rooms changed. */
export interface LivingSession extends Partial<History> {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly unknown[];
  readonly data: unknown;
}

/** Keeps a store up to date about living sockets. */
export interface Living {
  watch(adapter: Adapter): void;
  /** Returns the socket of a session, if it lives here. */
  find(name: string): Socket | undefined;
  stop(): void;
}

/** An adapter's members by which rooms change. */
interface Inside {
  readonly nsp: Namespace;
  addAll(id: string, rooms: ReadonlySet<unknown>): unknown;
  del(id: string, room: unknown): unknown;
  delAll(id: string): unknown;
}

/** How often some of the sockets are looked at. */
const LOOK_MS = 100;

/**
 * Tells a store of every socket that connects, of its rooms whenever they have changed, once a turn
 * of the event loop, and of its `data`, which changes without a word, every `checkpointMs`.
 */
export function createLiving(
  store: LivingStore,
  { checkpointMs, historyOf }: { readonly checkpointMs: number; readonly historyOf: HistoryOf },
): Living {
  const sockets = new Map<string, Socket>();
  const changed = new Set<string>();
  let planned = false;
  let walk = sockets.values();

  function sessionOf(socket: Socket): LivingSession {
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
    for (const name of changed) tell(name);
    changed.clear();
  }

  function tell(name: string): void {
    const socket = sockets.get(name);
    if (socket?.connected) store.keep(name, sessionOf(socket));
    else {
      sockets.delete(name);
      store.drop(name);
    }
  }

  /** Looks at a share of all sockets. */
  function look(): void {
    let count = Math.ceil((sockets.size * LOOK_MS) / checkpointMs);
    while (count-- > 0) {
      const next = walk.next();
      if (next.done) {
        walk = sockets.values();
        return;
      }
      if (next.value.connected) store.keep(nameOf(next.value), sessionOf(next.value));
    }
  }

  const timer = setInterval(look, LOOK_MS);
  timer.unref();

  return {
    watch(adapter) {
      const inside = adapter as unknown as Inside; // see Inside
      const hear = (id: string) => {
        const socket = inside.nsp.sockets.get(id);
        if (socket) touch(nameOf(socket));
      };
      inside.nsp.prependListener("connect", (socket: Socket) => {
        sockets.set(nameOf(socket), socket);
        hear(socket.id);
      });
      for (const method of ["addAll", "del", "delAll"] as const) follow(inside, method, hear);
    },
    find: (name) => sockets.get(name),
    stop: () => clearInterval(timer),
  };
}

/** Calls `heard` with the socket's id after each call of a method. */
function follow(inside: Inside, method: "addAll" | "del" | "delAll", heard: (id: string) => void) {
  const before = Object.hasOwn(inside, method) ? inside[method] : undefined;
  const followed = function (this: Inside, id: string, ...more: never[]): unknown {
    // What the prototype says now: fan-out may have taken over since this adapter was made.
    const own = before ?? Reflect.get(Object.getPrototypeOf(this), method, this);
    const result: unknown = own.call(this, id, ...more);
    heard(id);
    return result;
  };
  Object.assign(inside, { [method]: followed });
}

function nameOf(socket: Socket): string {
  return `${socket.nsp.name},${pidOf(socket)}`;
}

// Socket.IO 4.8.4 calls it private; with recovery every socket has one.
function pidOf(socket: Socket): string {
  return (socket as unknown as { readonly pid: string }).pid;
}
