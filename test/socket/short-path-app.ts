import { AsyncLocalStorage } from "node:async_hooks";
import type { EventEmitter } from "node:events";
import type { Server, Socket } from "socket.io";
import { watchEngine } from "../harness/longer-path.ts";

/** What the application saw, in order. */
export type Trace = string[];

type Ack = (...args: unknown[]) => void;

/** What an application tells of itself. */
interface Told {
  note(line: string): void;
  /** The connection has closed, and each of its sockets has heard of it. */
  over(): void;
}

const noop = () => {};
/** What one event enters must not reach the next. */
const scope = new AsyncLocalStorage<unknown>();

/** Adds listeners that do nothing to every connection and socket: none may make a difference. */
export function watch(io: Server): void {
  watchEngine(io.engine);
  for (const name of ["/", "/other"]) io.of(name).on("connection", (socket) => socket.onAny(noop));
}

/** Serves the namespaces `/` and `/other`, and notes every call with its arguments. */
export function serveApp(io: Server, told: Told): void {
  for (const name of ["/", "/other"])
    io.of(name).on("connection", (socket) => {
      const note = (what: string, ...args: unknown[]) =>
        told.note(`${name} ${what} ${JSON.stringify(args)} ${socket.connected}`);
      note("connection");
      serveEvents(socket, note);
      serveToggles(socket, note);
      socket.on("disconnecting", (reason) => note("disconnecting", reason));
      socket.on("disconnect", (reason) => note("disconnect", reason));
    });
  io.engine.on("connection", (conn: EventEmitter) =>
    conn.on("close", (reason) => {
      told.note(`close ${reason}`);
      setImmediate(told.over);
    }),
  );
}

type Note = (what: string, ...args: unknown[]) => void;

/** Splits the arguments of a listener from the ack, which does nothing if none was asked for. */
function split(given: unknown[]): { args: unknown[]; ack: Ack } {
  const last = given.at(-1);
  if (typeof last !== "function") return { args: given, ack: noop };
  return { args: given.slice(0, -1), ack: last as Ack }; // Socket.IO made it
}

function serveEvents(socket: Socket, note: Note): void {
  const on = (event: string, does: (args: unknown[], ack: Ack) => unknown) =>
    socket.on(event, (...given: unknown[]) => {
      const { args, ack } = split(given);
      note(event, ...args);
      return does(args, ack);
    });
  on("echo", (args, ack) => ack(...args));
  on("sync", (_, ack) => ack());
  on("twice", (args, ack) => {
    ack(1, ...args);
    ack(2);
  });
  on("later", async (args, ack) => {
    await null;
    await null;
    note("later's end");
    ack(...args);
  });
  on("order", (_, ack) => {
    process.nextTick(() => note("next tick"));
    queueMicrotask(() => note("microtask"));
    ack("order");
  });
  on("scope", (args) => {
    note("in scope", scope.getStore());
    scope.enterWith(args);
  });
  on("send", (args) => {
    socket.emit("plain", ...args);
    socket.volatile.emit("volatile", ...args);
    socket.compress(false).emit("bytes", Buffer.from("abc"), ...args);
  });
  on("publish", (args, ack) => {
    socket.emit("before");
    socket.nsp.emit("published", ...args);
    ack("between");
    socket.nsp.to(socket.id).emit("own", ...args);
  });
  on("ask", () => socket.emit("question", (...answers: unknown[]) => note("answer", ...answers)));
  on("throws", () => {
    throw new Error("thrown");
  });
  on("rejects", async (_, ack) => {
    ack("first");
    throw new Error("rejected");
  });
  on("cannot", (_, ack) => ack(1n, Symbol("no codec sends it")));
  on("leave", () => socket.disconnect());
  on("kick", (_, ack) => {
    socket.disconnect(true);
    ack("too late");
  });
  on("close", () => socket.conn.close());
  const again = () => {
    socket.once("once", (...given: unknown[]) => {
      const { args, ack } = split(given);
      note("once", ...args);
      ack("once");
      if (args.length === 0) again();
    });
  };
  again();
}

/** What adds something and returns what removes it. */
const pair = (add: () => unknown, remove: () => unknown) => () => {
  add();
  return remove;
};

/** Adds the listener that an event `toggle` names, or removes it again. */
function serveToggles(socket: Socket, note: Note): void {
  // Its transport may change with an upgrade; these clients are WebSockets from the start.
  const conn = socket.conn as unknown as EventEmitter & { transport: EventEmitter };
  const engine = socket.nsp.server.engine as EventEmitter;
  const any = (event: string, ...args: unknown[]) => note("any", event, ...split(args).args);
  const anyFirst = (event: string) => process.nextTick(() => note("a tick after any", event));
  const outgoing = (event: string) => note("outgoing", event);
  const second = (...given: unknown[]) => note("second", ...split(given).args);
  const ownAny = (event: string) => {
    note("own any", event);
    socket.offAny(ownAny);
    sides.delete("ownAny");
  };
  const sides = new Map<string, () => unknown>();
  const listen = (emitter: EventEmitter, event: string) => () => {
    const listener = () => note(`heard ${event}`);
    emitter.on(event, listener);
    return () => emitter.off(event, listener);
  };
  const add: Readonly<Record<string, () => () => unknown>> = {
    any: pair(
      () => socket.onAny(any),
      () => socket.offAny(any),
    ),
    anyFirst: pair(
      () => socket.prependAny(anyFirst),
      () => socket.offAny(anyFirst),
    ),
    outgoing: pair(
      () => socket.onAnyOutgoing(outgoing),
      () => socket.offAnyOutgoing(outgoing),
    ),
    second: pair(
      () => socket.prependListener("echo", second),
      () => socket.off("echo", second),
    ),
    ownAny: pair(
      () => socket.onAny(ownAny),
      () => socket.offAny(ownAny),
    ),
    packet: listen(conn, "packet"),
    data: listen(conn, "data"),
    packetCreate: listen(conn, "packetCreate"),
    flush: listen(conn, "flush"),
    drain: listen(conn, "drain"),
    engineFlush: listen(engine, "flush"),
    engineDrain: listen(engine, "drain"),
    transportPacket: listen(conn.transport, "packet"),
    transportDrain: listen(conn.transport, "drain"),
    ready: listen(conn.transport, "ready"),
    middleware: () => {
      let on = true;
      socket.use(([event, first], next) => {
        if (on) note("middleware", event, first, scope.getStore());
        if (on) scope.enterWith("a middleware");
        next(on && first === false ? new Error("refused") : undefined);
      });
      return () => {
        on = false;
      };
    },
  };
  socket.on("toggle", (what: string) => {
    const remove = sides.get(what);
    if (remove) remove();
    const begin = add[what];
    if (remove) sides.delete(what);
    else if (begin) sides.set(what, begin());
    note("toggle", what);
  });
  socket.on("error", (error: Error) => note("error", error.message));
  // The engine outlives the socket.
  socket.on("disconnect", () => {
    for (const what of ["engineFlush", "engineDrain"]) sides.get(what)?.();
  });
}
