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
import { tagBytes } from "./binary.ts";
import { BODY_BYTES_MAX } from "./body.ts";
import {
  type AckOf,
  type AnyEvents,
  type ArgsOf,
  createOperator,
  type EventsMap,
  type ServerOperator,
  type Target,
} from "./operator.ts";
import { type CallEvent, readCall, Unreadable } from "./read-call.ts";
import { readSecrets, VerifyError } from "./verify.ts";

/**
 * Collects commands that are sent back in the answer, without a second request. The gateway
 * carries them out in this order.
 */
export interface AnswerIo<Events extends EventsMap> extends ServerOperator<Events, void> {
  of(namespace: string): AnswerIo<Events>;
  /** Forgets what waits under a key of `after`, in this namespace. */
  cancel(key: string): void;
}

type Later<T> = T | Promise<T>;

/** An event of a client. */
export interface EventContext<Args> {
  readonly socket: CallSocket;
  readonly event: string;
  readonly args: Args;
  /** Whether the client waits for an acknowledgement. */
  readonly ack: boolean;
  /** Id of the call; a retry has the same id. */
  readonly id: string;
}

/** The handlers of a function, and how it reads its calls. */
export interface HandlerOptions<Listen extends EventsMap, Emit extends EventsMap> {
  /** The gateway's signing secret, or several during a rotation. */
  readonly secret: string | readonly string[];
  /** Accepts a client, or throws {@link Refusal}. Left out, every client is accepted. */
  readonly connect?: (
    context: {
      readonly socket: CallSocket;
      readonly handshake: CallHandshake;
      readonly id: string;
    },
    io: AnswerIo<Emit>,
    // biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing.
  ) => Later<Omit<ConnectAnswer, "commands"> | void>;
  /** Handlers by event name. The client's callback gets what the handler returns. */
  readonly events?: {
    readonly [Name in keyof Listen & string]?: (
      context: EventContext<ArgsOf<Listen, Name>>,
      io: AnswerIo<Emit>,
      // biome-ignore lint/suspicious/noConfusingVoidType: a handler may return nothing.
    ) => Later<AckOf<Listen, Name> | void>;
  };
  /** Called after the socket's last event, when it has disconnected. */
  readonly disconnect?: (
    context: { readonly socket: CallSocket; readonly reason: string; readonly id: string },
    io: AnswerIo<Emit>,
  ) => Later<void>;
  /**
   * Called with what a handler throws, unless it is a refusal. The gateway only learns that the
   * function failed. Default: nothing is called.
   */
  readonly failed?: (error: unknown) => void;
  /**
   * Whether a call with this id was handled before. It is then answered without being handled.
   * Default: every call is handled.
   */
  readonly isRepeated?: (id: string) => Later<boolean>;
  /** How far a call's timestamp may be from now. Default: 300 seconds. */
  readonly toleranceSeconds?: number;
  /** The largest body that is read. Default: 4194304 bytes. */
  readonly bodyBytesMax?: number;
}

/**
 * Thrown by a handler to refuse a client or an event. The client's `connect_error` has its message
 * and `data`; the callback of an event gets them as `error`. A refusal is an answer, so the gateway
 * never retries it. Anything else that is thrown is a failure: the gateway retries the call, unless
 * the client waits for its answer.
 */
export class Refusal extends Error {
  readonly data: unknown;
  constructor(message: string, data?: unknown) {
    super(message);
    this.name = "Refusal";
    this.data = data;
  }
}

/** HTTP status of a refusal, by the kind of call. */
const REFUSED = { connect: 403, connected: 422, event: 422, disconnect: 422 } as const;

/**
 * Returns the `fetch` handler of a function that a gateway calls. Throws a TypeError without a
 * secret.
 *
 * A call is answered with 400 unless one of the secrets signed it, its timestamp is recent, and its
 * headers agree with its signed body. The events of a batch are handled in order. After one that
 * failed, later events of the same socket are not handled: the gateway sends them again too.
 */
export function createHandler<
  Listen extends EventsMap = AnyEvents,
  Emit extends EventsMap = AnyEvents,
>(options: HandlerOptions<Listen, Emit>): (request: Request) => Promise<Response> {
  // Callers in JavaScript may leave `options` out.
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

/** Handles a batch and resolves with its {@link BatchAnswer} as JSON. */
async function handleBatch<L extends EventsMap, E extends EventsMap>(
  batch: readonly CallEvent[],
  options: HandlerOptions<L, E>,
): Promise<string> {
  // Write each answer by itself: commands that JSON cannot hold, such as a bigint, then fail only
  // their own event.
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
  const io = createIo({}, commands) as unknown as AnswerIo<E>; // events exist in types only
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

function createIo(target: Target, commands: Command[]): AnswerIo<AnyEvents> {
  const push = (command: Command): void => void commands.push(command);
  const { namespace } = target;
  const operator = createOperator(target, push, (more) => createIo(more, commands));
  return Object.assign(operator, {
    cancel: (key: string) => push({ do: "cancel", ...(namespace && { namespace }), key }),
  });
}

function answer(status: number, body: object): Response {
  return respond(status, write(body));
}

function write(body: object): string {
  return JSON.stringify(tagBytes(body));
}

function respond(status: number, text?: string): Response {
  if (text === undefined) return new Response(null, { status });
  return new Response(text, { status, headers: { "content-type": "application/json" } });
}
