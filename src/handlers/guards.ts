/**
 * Replaces the places where Socket.IO and engine.io call functions of the application, so that one
 * that throws or rejects is reported and does no further harm.
 *
 * Only calling is replaced, not registering: `off`, `once`, `listeners`, `rawListeners` and
 * `events.on` see the functions that the application passed. Only the given server is changed.
 */
// biome-ignore-all lint/complexity/useMaxParams: an object would be an allocation per event.
import { EventEmitter, errorMonitor } from "node:events";
import type { Namespace } from "socket.io";
import { describeFailure, FAILURES } from "../core/failures.ts";
import { callSafely, type HandlerFailed, type HandlerKind, isThenable } from "../core/handler.ts";
import { onlyListener } from "../seam/emitter.ts";
import { type EngineServerBase, FORBIDDEN, type VerifyDone } from "../seam/engine-io.ts";
import {
  createRefusalGate,
  replaceCalls,
  type SocketMethods,
  socketMethods,
} from "../seam/socket-io.ts";
import { createAck } from "../seam/socket-io-events.ts";
import type { Call, EventPacket, Next, SocketInside } from "../seam/socket-io-inside.ts";

/** Reports a function that failed, with its event and arguments. */
type Report<Owner> = (
  error: unknown,
  owner: Owner,
  event: string | symbol,
  args: readonly unknown[],
) => void;

/** As `callSafely`, for one listener: creates no closure unless the listener returns a promise. */
function callOne<Owner>(
  listener: Call,
  owner: Owner,
  [event, args]: readonly [string | symbol, readonly unknown[]],
  report: Report<Owner>,
): void {
  try {
    const result = Reflect.apply(listener, owner, args);
    if (isThenable(result)) {
      result.then(undefined, (error: unknown) => report(error, owner, event, args));
    }
  } catch (error) {
    report(error, owner, event, args);
  }
}

/** Calls every listener of an event, also after one of them has failed. */
function callEach<Owner extends EventEmitter>(
  owner: Owner,
  event: string | symbol,
  args: readonly unknown[],
  report: Report<Owner>,
): void {
  if (event === "error") callEach(owner, errorMonitor, args, report);
  const given = [event, args] as const;
  const only = onlyListener(owner, event);
  if (only) callOne(only, owner, given, report);
  else
    for (const listener of owner.rawListeners(event))
      callOne(listener as Call, owner, given, report);
}

/**
 * Runs middlewares one after the other. Only the first call of `next` counts, so a refusal cannot
 * be taken back. A middleware that fails before it calls `next` refuses.
 */
function runAll(
  fns: readonly Call[],
  given: readonly unknown[],
  { done, failed }: { readonly done: Next; readonly failed: (error: unknown) => void },
): void {
  const run = (at: number): void => {
    const fn = fns[at];
    if (!fn) {
      done();
      return;
    }
    let said = false;
    const next = (error?: unknown): void => {
      if (said) return;
      said = true;
      if (error) done(error);
      else run(at + 1);
    };
    callSafely(
      () => fn(...given, next),
      (error) => {
        failed(error);
        next(FAILED);
      },
    );
  };
  run(0);
}

/** What the client gets when a middleware failed. The error itself may contain secrets. */
const FAILED = Object.assign(new Error(FAILURES.HANDLERS_FAILED.text), {
  data: { code: "HANDLERS_FAILED", retry: FAILURES.HANDLERS_FAILED.retry },
});

/** Isolates failures of the application's functions, in one server. */
export interface Guards {
  /** The methods of guarded sockets, in place of Socket.IO's own. */
  readonly methods: SocketMethods & Pick<SocketInside, "onevent">;
  namespace(namespace: Namespace): void;
  engine(engine: EngineServerBase): void;
}

/**
 * Returns the guards of one server. When a listener, middleware or acknowledgement callback throws
 * or returns a promise that rejects, `failed` is called, a client that waits for an ack gets
 * HANDLERS_FAILED, and everything else goes on.
 */
export function createGuards(failed: HandlerFailed): Guards {
  const report: ReportAs =
    (kind) =>
    (error, { id, nsp }, event) =>
      failed(error, { kind, event, namespace: nsp.name, socket: id });
  return {
    methods: { ...guardSockets(report), ...createRefusals(report("middleware")) },
    namespace: (namespace) => guardNamespace(namespace, failed),
    engine: (engine) => guardEngine(engine, failed),
  };
}

/** Acknowledges with HANDLERS_FAILED, if the client asked for an ack and has not had it. */
function ackFailed(args: readonly unknown[]): void {
  const ack = args.at(-1);
  if (typeof ack === "function") ack({ error: describeFailure("HANDLERS_FAILED") });
}

type ReportAs = (kind: HandlerKind) => Report<SocketInside>;

/** Returns the methods of a socket that call functions of the application. */
function guardSockets(report: ReportAs) {
  return { ...guardEvents(report), ...guardAcks(report("ack")), ...guardReserved(report) };
}

/** Has a socket refuse its client even if the refusal's `data` cannot be encoded. */
function createRefusals(tellMiddleware: Report<SocketInside>): SocketMethods {
  return createRefusalGate((socket, error, send) => {
    try {
      send(error);
    } catch (cause) {
      tellMiddleware(cause, socket, "connect_error", []);
      send({ message: FAILED.message, data: FAILED.data });
    }
  });
}

function guardEvents(report: ReportAs) {
  const tellEvent = report("event");
  const tellAny = report("any");
  const tellMiddleware = report("middleware");

  const listenerFailed: Report<SocketInside> = (error, socket, event, args) => {
    tellEvent(error, socket, event, args);
    ackFailed(args);
  };
  const anyFailed: Report<SocketInside> = (error, socket, event, args) => {
    tellAny(error, socket, event, args);
    // Otherwise a listener, or a function upstream, acknowledges the event.
    if (socket.listenerCount(event) === 0 && socket.fns.length === 0) ackFailed(args);
  };

  function deliver(socket: SocketInside, data: unknown[], error: unknown): void {
    if (error) {
      socket.emitReserved("error", error);
      return;
    }
    if (!socket.connected) return;
    const event = data[0] as string; // the codec accepts only strings here
    callEach(socket, event, data.slice(1), listenerFailed);
  }

  return {
    onevent(this: SocketInside, packet: EventPacket): void {
      const data = (packet.data ?? []) as unknown[]; // the codec accepts only arrays
      if (packet.id !== undefined) data.push(createAck(this, packet.id));
      const any = this.listenersAny();
      if (any.length > 0) {
        const event = data[0] as string; // as in deliver()
        // Catch-all listeners get the event's name first; the ack is last in both cases.
        for (const listener of any.slice()) callOne(listener, this, [event, data], anyFailed);
      }
      this.dispatch(data);
    },
    dispatch(this: SocketInside, data: unknown[]): void {
      // Wait a tick in both cases, as Socket.IO does: middlewares emit before listeners do.
      if (this.fns.length === 0) process.nextTick(deliver, this, data, undefined);
      else this.run(data, (error) => process.nextTick(deliver, this, data, error));
    },
    run(this: SocketInside, data: unknown[], done: Next): void {
      runAll(this.fns.slice(), [data], {
        // `error` listeners expect refusals; a middleware that failed is reported instead.
        done: (error) => error !== FAILED && done(error),
        failed: (error) => {
          tellMiddleware(error, this, data[0] as string, data); // as in deliver()
          ackFailed(data);
        },
      });
    },
  };
}

function guardAcks(tellAck: Report<SocketInside>) {
  const { registerAckCallback } = socketMethods;
  return {
    registerAckCallback(this: SocketInside, id: number, ack: Call): void {
      if (this.flags.timeout === undefined) {
        this.acks.set(id, ack); // onack() calls it safely
        return;
      }
      // Socket.IO's timer calls it as well as onack(), so it is wrapped here.
      registerAckCallback.call(this, id, (...given) => callOne(ack, this, ["ack", given], tellAck));
    },
    onack(this: SocketInside, { id, data }: EventPacket): void {
      const ack = id === undefined ? undefined : this.acks.get(id);
      if (!ack || id === undefined) return;
      this.acks.delete(id);
      callOne(ack, this, ["ack", (data ?? []) as unknown[]], tellAck); // as in onevent()
    },
  };
}

function guardReserved(report: ReportAs) {
  const tellEvent = report("event");
  const tellEnd = report("disconnect");
  const tellAny = report("any");
  return {
    emitReserved(this: SocketInside, event: string, ...args: unknown[]): boolean {
      callEach(this, event, args, event === "error" ? tellEvent : tellEnd);
      return true;
    },
    notifyOutgoingListeners(this: SocketInside, packet: EventPacket): void {
      const data = packet.data as unknown[]; // emit() makes it an array
      for (const listener of this.listenersAnyOutgoing().slice()) {
        callOne(listener, this, [data[0] as string, data], tellAny);
      }
    },
  };
}

function guardNamespace(namespace: Namespace, failed: HandlerFailed): void {
  const { name } = namespace;
  const tell =
    (kind: HandlerKind): Report<EventEmitter> =>
    (error, _, event, [socket]) =>
      failed(error, { kind, event, namespace: name, socket: idOf(socket) });
  const tellConnection = tell("connection");
  const tellServerSide: Report<EventEmitter> = (error, _, event, args) => {
    failed(error, { kind: "server_side", event, namespace: name });
    ackFailed(args);
  };
  replaceCalls(namespace, {
    enter: (middlewares, socket, done) =>
      runAll(middlewares, [socket], {
        done,
        failed: (error) =>
          failed(error, {
            ...{ kind: "middleware", event: "connect", namespace: name, socket: socket.id },
          }),
      }),
    tell: (event, args) => callEach(namespace, event, args, tellConnection),
    tellServerSide: (event, args) => callEach(namespace, event, args, tellServerSide),
    useAdapter: (adapter) => guardEmitter(adapter, tell("room")),
  });
}

function idOf(socket: unknown): string | undefined {
  return typeof socket === "object" && socket !== null && "id" in socket
    ? String(socket.id)
    : undefined;
}

/** Guards the listeners of an emitter. An `error` without a listener is thrown, as in Node.js. */
function guardEmitter(emitter: EventEmitter, report: Report<EventEmitter>): void {
  emitter.emit = createEmit(report);
}

function createEmit(report: Report<EventEmitter>): EventEmitter["emit"] {
  const { emit } = EventEmitter.prototype;
  return function guarded(this: EventEmitter, event, ...args): boolean {
    if (this.listenerCount(event) === 0)
      return event === "error" && emit.call(this, event, ...args);
    callEach(this, event, args, report);
    return true;
  };
}

/** The event `connection_error` of engine.io, for a request that was refused. */
interface ConnectionError {
  readonly context: { readonly name?: unknown; readonly error?: unknown };
}

function guardEngine(engine: EngineServerBase, failed: HandlerFailed): void {
  guardEmitter(engine, (error, _, event) => failed(error, { kind: "engine", event }));
  const emit = createEmit((error, connection, event) =>
    failed(error, { kind: "engine", event, socket: idOf(connection) }),
  );
  engine.on("connection", (connection: EventEmitter) => {
    connection.emit = emit; // one function for all connections: it uses `this`
  });
  engine.on("connection_error", ({ context }: ConnectionError) => {
    if (context.name === "ID_GENERATION_ERROR")
      failed(context.error, { kind: "engine", event: "generateId" });
  });
  const { use, verify } = engine;
  engine.verify = (request, upgrade, done) => {
    if (!engine.opts.allowRequest) {
      verify.call(engine, request, upgrade, done);
      return;
    }
    let said = false;
    const say: VerifyDone = (...verdict) => {
      if (said) return;
      said = true;
      done(...verdict);
    };
    // engine.io's verify returns what `allowRequest` returned, so a promise is seen here.
    callSafely(
      () => verify.call(engine, request, upgrade, say),
      (error) => {
        failed(error, { kind: "engine", event: "allowRequest" });
        say(FORBIDDEN, { message: FAILED.message });
      },
    );
  };
  engine.use = (middleware) =>
    use.call(engine, (req: unknown, res: unknown, next: Next) =>
      runAll([middleware as Call], [req, res], {
        done: next,
        failed: (error) => failed(error, { kind: "engine", event: "use" }),
      }),
    );
}
