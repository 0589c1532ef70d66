import type { Command, Done, PresentSocket } from "../core/command.ts";
import { restoreBytes, tagBytes } from "./binary.ts";
import {
  type AnyEvents,
  type ArgsOf,
  createOperator,
  type EventsMap,
  type Operator,
  type ServerOperator,
  type Target,
} from "./operator.ts";

/** Which gateway to call, and with which credentials. */
export interface EmitterOptions {
  /** URL of the gateway, such as `https://sluice.example.com`. */
  readonly url: string;
  /** An API key's secret, or a JSON Web Token. */
  readonly key: string;
  /** Sends the requests, such as the `fetch` of a service binding. Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
  /**
   * Trace context that is sent with every command (W3C): a handler's own, so that its commands are
   * of the trace of its call. Default: none.
   */
  readonly traceparent?: string | undefined;
  /** What goes with `traceparent`. */
  readonly tracestate?: string | undefined;
}

/** The result of an `emitWithAck`. */
export interface Acked {
  /** One answer for each socket that answered. */
  readonly answers: readonly {
    /** Id of the socket. */
    readonly id: string;
    /** What the client passed to the callback: its first argument. */
    readonly answer: unknown;
  }[];
  /** Ids of the sockets that did not answer in time. */
  readonly timedOut: readonly string[];
}

/**
 * Sends commands to a gateway over its HTTP API. Every call is one request; its promise resolves
 * when the gateway has carried out the command.
 */
export interface Emitter<Events extends EventsMap> extends Operator<Events, Promise<void>> {
  to(rooms: string | readonly string[]): Emitter<Events>;
  in(rooms: string | readonly string[]): Emitter<Events>;
  except(rooms: string | readonly string[]): Emitter<Events>;
  /** Chooses a namespace. Default: `/`. */
  of(namespace: string): Emitter<Events>;
  readonly volatile: Emitter<Events>;
  after(ms: number, options?: { readonly key?: string }): ServerOperator<Events, Promise<void>>;
  /** Sets how long `emitWithAck` waits. Default: 5000 (1…60000 milliseconds). */
  timeout(ms: number): Emitter<Events>;
  /** Emits, then waits for one acknowledgement of each socket. */
  emitWithAck<Name extends keyof Events & string>(
    event: Name,
    ...args: ArgsOf<Events, Name>
  ): Promise<Acked>;
  /** Resolves with at most `limit` sockets, sorted by id. Default: 1000 (1…10000). */
  fetchSockets(limit?: number): Promise<readonly PresentSocket[]>;
  /** Emits to the other nodes. */
  serverSideEmit(event: string, ...args: unknown[]): Promise<void>;
  /**
   * Forgets what waits under a key of `after`, in this namespace. Resolves with false when nothing
   * does, or its time has come.
   */
  cancel(key: string): Promise<boolean>;
}

/** A command that the gateway did not carry out. */
export class SluiceError extends Error {
  /** HTTP status of the response. */
  readonly status: number;
  /** A code of the gateway's table of failures; empty when something else answered. */
  readonly code: string;
  /** Made by an emitter from the response that it got. */
  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "SluiceError";
    this.status = status;
    this.code = code;
  }
}

/**
 * Returns an emitter for one gateway. Throws a TypeError that names a missing option. Calls reject
 * with a {@link SluiceError} that has the gateway's own message, or with what `fetch` rejects with.
 */
export function createEmitter<Events extends EventsMap = AnyEvents>(
  options: EmitterOptions,
): Emitter<Events> {
  const send = createSend(options);
  // Events exist in types only: at run time any event name is accepted.
  return build({}, send) as unknown as Emitter<Events>;
}

type Send = (command: Command) => Promise<Done>;

function build(target: Target & { timeoutMs?: number }, send: Send): Emitter<AnyEvents> {
  const tell = async (command: Command) => void (await send(command));
  const operator = createOperator(target, tell, (more) => build(more, send));
  const { namespace, rooms, except, timeoutMs } = target;
  // Not by spreading it, which would get its `volatile`, and so build without end.
  return Object.assign(operator, {
    timeout: (ms: number) => build({ ...target, timeoutMs: ms }, send),
    async emitWithAck(event: string, ...args: readonly unknown[]) {
      const about = { namespace, to: rooms, except, timeoutMs };
      const { answers = [], timedOut = [] } = await send({
        do: "emitWithAck",
        ...about,
        event,
        args,
      });
      return { answers, timedOut };
    },
    async fetchSockets(limit?: number) {
      const done = await send({ do: "fetchSockets", namespace, in: rooms, except, limit });
      return done.sockets ?? [];
    },
    async cancel(key: string) {
      return (await send({ do: "cancel", namespace, key })).cancelled ?? false;
    },
  });
}

function createSend(given: EmitterOptions): Send {
  // Callers in JavaScript may leave it out.
  const { url, key, traceparent, tracestate, ...options } = given ?? {};
  if (!isHttp(url)) {
    throw new TypeError("createEmitter needs `url`: the gateway's, such as https://sluice.example");
  }
  if (typeof key !== "string" || key.trim() === "") {
    throw new TypeError("createEmitter needs `key`: an API key's secret, or a JSON Web Token");
  }
  const address = `${url.replace(/\/+$/, "")}/v1/commands`;
  const headers = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    accept: "application/json",
    ...(traceparent !== undefined && { traceparent }),
    ...(traceparent !== undefined && tracestate !== undefined && { tracestate }),
  };
  return async (command) => {
    // Look `fetch` up at each call: workers may set it late. It is called without `this`, because
    // there it fails as a method of another object.
    const send = options.fetch ?? globalThis.fetch;
    if (!send) throw new TypeError("there is no fetch here: give createEmitter one as `fetch`");
    const body = JSON.stringify(tagBytes(command));
    const response = await send(address, { method: "POST", headers, body });
    const text = await response.text();
    const answer = parse(text);
    if (response.ok && answer) return answer as unknown as Done; // the API's documented answer
    const { code = "", title, detail } = answer ?? {};
    const words = [title ?? `the gateway answered ${response.status}`, detail].filter(Boolean);
    throw new SluiceError(response.status, String(code), words.join(": "));
  };
}

// A missing setting arrives as undefined, or as text that a template made of it ("undefined").
function isHttp(url: unknown): url is string {
  return typeof url === "string" && /^https?:\/\/[^\s/]/i.test(url);
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value = restoreBytes(JSON.parse(text));
    // Parsed JSON.
    return typeof value === "object" && value ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
