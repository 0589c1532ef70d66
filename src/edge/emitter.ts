import type { Command, Done, PresentSocket } from "../core/command.ts";
import { revive, spell } from "./binary.ts";
import {
  type AnyEvents,
  type ArgsOf,
  addRooms,
  createOperator,
  type EventsMap,
  type Operator,
  type Target,
  wordsOf,
} from "./operator.ts";

/** Where a gateway is, and how to prove who asks. */
export interface EmitterOptions {
  /** Of the gateway, such as `https://sluice.example.com`. */
  readonly url: string;
  /** An API key's secret, or a JSON Web Token. */
  readonly key: string;
  /** Instead of the global one, such as a service binding's. */
  readonly fetch?: typeof fetch;
  /** Of a trace that the commands belong to. */
  readonly traceparent?: string;
}

/** What came of an `emitWithAck`. */
export interface Acked {
  /** One per socket that answered. */
  readonly answers: readonly { readonly id: string; readonly answer: unknown }[];
  /** The sockets that did not answer in time. */
  readonly timedOut: readonly string[];
}

/**
 * Speaks to a gateway over its HTTP API; every call is one request that resolves once it is done.
 */
export interface Emitter<Events extends EventsMap> extends Operator<Events, Promise<void>> {
  to(rooms: string | readonly string[]): Emitter<Events>;
  in(rooms: string | readonly string[]): Emitter<Events>;
  except(rooms: string | readonly string[]): Emitter<Events>;
  of(namespace: string): Emitter<Events>;
  readonly volatile: Emitter<Events>;
  /** How long acknowledgements are waited for. */
  timeout(ms: number): Emitter<Events>;
  emitWithAck<Name extends keyof Events & string>(
    event: Name,
    ...args: ArgsOf<Events, Name>
  ): Promise<Acked>;
  /** At most `limit` sockets, sorted by id. */
  fetchSockets(limit?: number): Promise<readonly PresentSocket[]>;
  serverSideEmit(event: string, ...args: unknown[]): Promise<void>;
}

/** The gateway did not carry a command out. */
export class SluiceError extends Error {
  /** HTTP status. */
  readonly status: number;
  /** A row of the gateway's table of failures; empty when something else answered. */
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "SluiceError";
    this.status = status;
    this.code = code;
  }
}

/**
 * Returns the emitter of a gateway. Throws a TypeError that names the option which is missing.
 * Rejections are {@link SluiceError}s with the gateway's own words,
 * or what `fetch` rejects with.
 */
export function createEmitter<Events extends EventsMap = AnyEvents>(
  options: EmitterOptions,
): Emitter<Events> {
  const send = createSend(options);
  // The events are a matter of types alone: at run time any name goes.
  return build({}, send) as unknown as Emitter<Events>;
}

type Send = (command: Command) => Promise<Done>;

function build(target: Target & { timeoutMs?: number }, send: Send): Emitter<AnyEvents> {
  const again = (more: Target & { timeoutMs?: number }) => build({ ...target, ...more }, send);
  const to = (rooms: string | readonly string[]) => again({ rooms: addRooms(target.rooms, rooms) });
  const { namespace, timeoutMs } = target;
  return {
    ...createOperator(target, async (command) => void (await send(command))),
    to,
    in: to,
    except: (rooms) => again({ except: addRooms(target.except, rooms) }),
    of: (name) => again({ namespace: name }),
    get volatile() {
      return again({ volatile: true });
    },
    timeout: (ms) => again({ timeoutMs: ms }),
    async emitWithAck(event, ...args) {
      const words = { ...wordsOf(target, "to"), ...(timeoutMs !== undefined && { timeoutMs }) };
      const { answers = [], timedOut = [] } = await send({
        do: "emitWithAck",
        ...words,
        event,
        args,
      });
      return { answers, timedOut };
    },
    async fetchSockets(limit) {
      const words = { ...wordsOf(target, "in"), ...(limit !== undefined && { limit }) };
      return (await send({ do: "fetchSockets", ...words })).sockets ?? [];
    },
    async serverSideEmit(event, ...args) {
      await send({ do: "serverSideEmit", ...(namespace && { namespace }), event, args });
    },
  };
}

function createSend(given: EmitterOptions): Send {
  const { url, key, traceparent, ...options } = given ?? {}; // JavaScript may leave it out
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
  };
  return async (command) => {
    // Looked up at each call: workers may set it late, and calling it as a method would fail there.
    const send = options.fetch ?? globalThis.fetch;
    if (!send) throw new TypeError("there is no fetch here: give createEmitter one as `fetch`");
    const body = JSON.stringify(spell(command));
    const response = await send(address, { method: "POST", headers, body });
    const text = await response.text();
    const answer = parse(text);
    if (response.ok && answer) return answer as unknown as Done; // the API's documented answer
    const { code = "", title, detail } = answer ?? {};
    const words = [title ?? `the gateway answered ${response.status}`, detail].filter(Boolean);
    throw new SluiceError(response.status, String(code), words.join(": "));
  };
}

// Settings that are missing come as undefined, or as what a template made of them.
function isHttp(url: unknown): url is string {
  return typeof url === "string" && /^https?:\/\/[^\s/]/i.test(url);
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value = revive(JSON.parse(text));
    // Of JSON.
    return typeof value === "object" && value ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
