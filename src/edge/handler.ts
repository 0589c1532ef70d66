import type {
  BatchAnswer,
  CallHandshake,
  CallSocket,
  ConnectAnswer,
  ConnectCall,
  DisconnectCall,
  EventCall,
} from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { spell } from "./binary.ts";
import {
  type AckOf,
  type AnyEvents,
  type ArgsOf,
  createOperator,
  type EventsMap,
  type ServerOperator,
} from "./operator.ts";
import { type CallEvent, readCall, Unreadable } from "./read-call.ts";
import { readSecrets, VerifyError } from "./verify.ts";

/**
 * Commands that ride back in the answer: no second request. They are carried out in their order.
 */
export type AnswerIo<Events extends EventsMap> = ServerOperator<Events, void>;

type Later<T> = T | Promise<T>;

/** An event of a client. */
export interface EventContext<Args> {
  readonly socket: CallSocket;
  readonly event: string;
  readonly args: Args;
  /** Whether the client waits for an acknowledgement. */
  readonly ack: boolean;
  /** The same when the event is sent again. */
  readonly id: string;
}

/** What a function does with its calls. */
export interface HandlerOptions<Listen extends EventsMap, Emit extends EventsMap> {
  /** The gateway's signing secret, or several while they rotate. */
  readonly secret: string | readonly string[];
  /** Lets a client in, or throws {@link Refusal}. Without it everyone is let in. */
  readonly connect?: (
    context: {
      readonly socket: CallSocket;
      readonly handshake: CallHandshake;
      readonly id: string;
    },
    io: AnswerIo<Emit>,
    // biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing.
  ) => Later<Omit<ConnectAnswer, "commands"> | void>;
  /** What is done with events, by name; what is returned is what the client's callback gets. */
  readonly events?: {
    readonly [Name in keyof Listen & string]?: (
      context: EventContext<ArgsOf<Listen, Name>>,
      io: AnswerIo<Emit>,
      // biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing.
    ) => Later<AckOf<Listen, Name> | void>;
  };
  readonly disconnect?: (
    context: { readonly socket: CallSocket; readonly reason: string; readonly id: string },
    io: AnswerIo<Emit>,
  ) => Later<void>;
  /** Hears of what handlers throw besides refusals; the gateway is told none of it. */
  readonly failed?: (error: unknown) => void;
  /** Whether an id was handled before: such a call is answered with nothing done. */
  readonly isRepeated?: (id: string) => Later<boolean>;
  /** How far a call's timestamp may be from now; 300 when left out. */
  readonly toleranceSeconds?: number;
  /** The largest body that is read; 4 MiB when left out. */
  readonly bodyBytesMax?: number;
}

/**
 * Thrown by a handler to say no: the client's `connect_error` has its message and `data`, the
 * callback of an event gets them as `error`. It is an answer, so it is never tried again;
 * everything else that is thrown is a failure, and what the client does not wait for is sent again.
 */
export class Refusal extends Error {
  readonly data: unknown;
  constructor(message: string, data?: unknown) {
    super(message);
    this.name = "Refusal";
    this.data = data;
  }
}

/** Status for a socket that is refused, and for an event. */
const REFUSED = { connect: 403, event: 422, disconnect: 422 } as const;
const BODY_BYTES_MAX = 4_194_304;

/**
 * Returns the `fetch` handler of a function that a gateway calls. Throws a TypeError without a
 * secret.
 *
 * A call is answered with 400 unless it is signed with a secret, of now, and says the same in its
 * signed body and its headers. In a batch, events are handled in order; after one that failed,
 * those of the same socket wait for it to be sent again.
 */
export function createHandler<
  Listen extends EventsMap = AnyEvents,
  Emit extends EventsMap = AnyEvents,
>(options: HandlerOptions<Listen, Emit>): (request: Request) => Promise<Response> {
  // JavaScript may leave it out.
  const { bodyBytesMax = BODY_BYTES_MAX, toleranceSeconds } = options ?? {};
  const read = {
    bodyBytesMax,
    secret: readSecrets(options?.secret),
    ...(toleranceSeconds !== undefined && { toleranceSeconds }),
  };
  return async (request) => {
    try {
      const call = await readCall(request, read);
      if ("batch" in call) return respond(200, await handleBatch(call.batch, options));
      if (await options.isRepeated?.(call.id)) return respond(204);
      return await handleOne(call, options);
    } catch (error) {
      if (error instanceof VerifyError) return answer(400, { message: error.message });
      if (error instanceof Unreadable) return answer(error.status, { message: error.message });
      options.failed?.(error);
      return answer(500, { message: "the function failed" });
    }
  };
}

async function handleOne<L extends EventsMap, E extends EventsMap>(
  call: CallEvent,
  options: HandlerOptions<L, E>,
): Promise<Response> {
  const commands: Command[] = [];
  try {
    const said = await run(call, options, commands);
    const all = { ...said, ...(commands.length > 0 && { commands }) };
    return Object.keys(all).length > 0 ? answer(200, all) : respond(204);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return answer(REFUSED[call.kind], { message: error.message, data: error.data });
  }
}

/** Resolves with a {@link BatchAnswer} as JSON. */
async function handleBatch<L extends EventsMap, E extends EventsMap>(
  batch: readonly CallEvent[],
  options: HandlerOptions<L, E>,
): Promise<string> {
  // Written one by one: commands that have no JSON, a bigint in them, fail their own event alone.
  const answers: string[] = [];
  const failed: NonNullable<BatchAnswer["failed"]>[number][] = [];
  const stuck = new Set<string>();
  for (const call of batch) {
    const { id, namespace } = call.data.socket;
    const socket = `${namespace},${id}`;
    if (stuck.has(socket)) {
      failed.push({ id: call.id, retry: true });
      continue;
    }
    const commands: Command[] = [];
    try {
      if (!(await options.isRepeated?.(call.id))) await run(call, options, commands);
      if (commands.length > 0) answers.push(write({ id: call.id, commands }));
    } catch (error) {
      const retry = !(error instanceof Refusal);
      if (retry) {
        options.failed?.(error);
        stuck.add(socket);
      }
      failed.push({ id: call.id, retry });
    }
  }
  const lists = [
    ...(answers.length > 0 ? [`"answers":[${answers.join()}]`] : []),
    ...(failed.length > 0 ? [`"failed":${write(failed)}`] : []),
  ];
  return `{${lists.join()}}`;
}

async function run<L extends EventsMap, E extends EventsMap>(
  call: CallEvent,
  options: HandlerOptions<L, E>,
  commands: Command[],
): Promise<object> {
  const io = createIo(commands) as unknown as AnswerIo<E>; // events are a matter of types alone
  const { id, kind, data } = call;
  if (kind === "connect") {
    const { handshake, ...socket } = (data as ConnectCall).socket; // by its kind
    return (await options.connect?.({ socket, handshake, id }, io)) ?? {};
  }
  if (kind === "disconnect") {
    await options.disconnect?.({ ...(data as DisconnectCall), id }, io); // by its kind
    return {};
  }
  const { event, ack, ...rest } = data as EventCall; // by its kind
  const handlers: object = options.events ?? {};
  const handler = Object.hasOwn(handlers, event)
    ? (handlers as Record<string, EventHandler>)[event] // one of its own keys
    : undefined;
  if (!handler) {
    if (ack) throw new Refusal(`there is no handler for the event ${event}`);
    return {};
  }
  const returned = await handler({ ...rest, event, ack, id }, io);
  return ack && returned !== undefined ? { ack: returned } : {};
}

type EventHandler = (context: EventContext<readonly unknown[]>, io: unknown) => unknown;

function createIo(commands: Command[]): AnswerIo<AnyEvents> {
  const push = (command: Command): void => void commands.push(command);
  return {
    ...createOperator({}, push),
    get volatile() {
      return createOperator({ volatile: true }, push);
    },
    of: (namespace) => createOperator({ namespace }, push),
    serverSideEmit: (event, ...args) => push({ do: "serverSideEmit", event, args }),
  };
}

function answer(status: number, body: object): Response {
  return respond(status, write(body));
}

function write(body: object): string {
  return JSON.stringify(spell(body));
}

function respond(status: number, text?: string): Response {
  if (text === undefined) return new Response(null, { status });
  return new Response(text, { status, headers: { "content-type": "application/json" } });
}
