import type { BatchAnswer, CallKind, ConnectCall, EventCall } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { isRecord } from "../core/tagged-json.ts";
import { tagBytes } from "./binary.ts";
import { BODY_BYTES_MAX } from "./body.ts";
import { type AnyEvents, createOperator, type EventsMap, type Target } from "./operator.ts";
import type {
  AnswerIo,
  CallContext,
  EventContext,
  HandlerOptions,
  InferredOptions,
} from "./options.ts";
import { type CallEvent, readCall, Unreadable } from "./read-call.ts";
import { Refusal } from "./refusal.ts";
import { readArgs, type Schema } from "./schema.ts";
import { readSecrets, VerifyError } from "./verify.ts";

/** The options as they are at run time, where events are names and handlers take any context. */
type Options = Pick<HandlerOptions<AnyEvents, AnyEvents>, "isRepeated"> & {
  readonly [Kind in Exclude<CallKind, "event">]?: Handler;
} & {
  readonly events?: Readonly<Record<string, Handler | Checked>>;
  readonly failed: (error: unknown) => void;
};

type Handler = (context: CallContext, io: AnswerIo<AnyEvents>) => unknown;

interface Checked {
  readonly args: Schema<readonly unknown[]>;
  readonly handler: Handler;
}

/**
 * Returns the `fetch` handler of a function that a gateway calls. Throws a TypeError without a
 * secret, or for an event that has no handler, or something else than a schema.
 *
 * A call is answered with 400 unless one of the secrets signed it, its timestamp is recent, and its
 * headers agree with its signed body. The events of a batch are handled in order. After one that
 * failed, later events of the same socket are not handled: the gateway sends them again too.
 */
export function createHandler<Args, _2, _3, _4>(
  given: InferredOptions<Args>,
): (request: Request) => Promise<Response>;
/**
 * The same with declarations: of what clients emit, what they receive, and what is remembered of a
 * socket.
 */
// Who declares one to three gets this form, because the other one takes four.
export function createHandler<
  Listen extends EventsMap = AnyEvents,
  Emit extends EventsMap = AnyEvents,
  Data = unknown,
>(given: HandlerOptions<Listen, Emit, Data>): (request: Request) => Promise<Response>;
export function createHandler(
  given: HandlerOptions<object, object>,
): (request: Request) => Promise<Response> {
  // Callers in JavaScript may leave the options out.
  const { bodyBytesMax = BODY_BYTES_MAX, toleranceSeconds, secret, failed } = given ?? {};
  const read = {
    bodyBytesMax,
    secret: readSecrets(secret),
    ...(toleranceSeconds !== undefined && { toleranceSeconds }),
  };
  const declared = given as unknown as Options; // events exist in types only
  const options = { ...declared, failed: failed ?? console.error };
  checkEvents(options.events);
  return async (request) => {
    try {
      const call = await readCall(request, read);
      if ("batch" in call) return respond(200, await handleBatch(call.batch, options));
      if (await options.isRepeated?.(call.id)) return respond(204);
      return await handleOne(call, options);
    } catch (error) {
      if (error instanceof VerifyError) return answer(400, { message: error.message });
      if (error instanceof Unreadable) return answer(error.status, { message: error.message });
      options.failed(error);
      return answer(500, { message: "the function failed" });
    }
  };
}

async function handleOne(call: CallEvent, options: Options): Promise<Response> {
  try {
    const said = await run(call, options);
    return Object.keys(said).length > 0 ? answer(200, said) : respond(204);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { message, data } = error;
    return answer(call.kind === "connect" ? 403 : 422, { message, data });
  }
}

/** Handles a batch and resolves with its {@link BatchAnswer} as JSON. */
async function handleBatch(batch: readonly CallEvent[], options: Options): Promise<string> {
  // Write each answer by itself: one that JSON cannot hold, such as a bigint, then fails only its
  // own event.
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
    try {
      if (await options.isRepeated?.(call.id)) continue;
      const said = await run(call, options);
      if (Object.keys(said).length > 0) answers.push(write({ id: call.id, ...said }));
    } catch (error) {
      const retry = !(error instanceof Refusal);
      if (retry) {
        options.failed(error);
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

/** Handles a call, and resolves with what its answer says. */
async function run({ id, kind, data, trace }: CallEvent, options: Options): Promise<object> {
  const { socket: about, ...rest } = data;
  const { handshake, ...socket } = about as ConnectCall["socket"]; // calls of other kinds have none
  const context = { ...rest, socket, ...(handshake && { handshake }), id, ...trace };
  const handle = kind === "event" ? handlerOf(data as EventCall, options.events) : options[kind];
  const commands: Command[] = [];
  const returned = await handle?.(context, createIo({}, commands));
  return {
    ...readReturned(returned, kind === "connect" || ("ack" in data && data.ack)),
    ...(commands.length > 0 && { commands }),
  };
}

function handlerOf({ event, ack }: EventCall, events: Options["events"] = {}): Handler | undefined {
  const found = Object.hasOwn(events, event) ? events[event] : undefined;
  if (!found && ack) throw new Refusal(`there is no handler for the event ${event}`);
  if (!found || typeof found === "function") return found;
  return async (context, io) => {
    const { args } = context as EventContext<readonly unknown[]>; // only events have such a handler
    return found.handler({ ...context, args: await readArgs(found.args, args) } as CallContext, io);
  };
}

function checkEvents(events: Options["events"] = {}): void {
  for (const [name, given] of Object.entries(events)) {
    if (typeof given === "function" || given === undefined) continue;
    // Callers in JavaScript may have anything there.
    const parts = [given?.handler, given?.args?.["~standard"]?.validate];
    if (parts.every((part) => typeof part === "function")) continue;
    throw new TypeError(`events.${name} must be a handler, or { args, handler } with a schema`);
  }
}

/** Returns what a handler says; `waits` is whether the client waits for that. */
function readReturned(returned: unknown, waits: boolean): object {
  const given = Array.isArray(returned) ? { ack: returned } : returned;
  if (given === undefined || given === null || (!waits && typeof given !== "object")) return {};
  // A slip such as `{ delivered: true }` for `[{ delivered: true }]` would be no answer.
  const odd = isRecord(given)
    ? Object.keys(given).find((key) => !/^(ack|userId|data|rooms)$/.test(key))
    : typeof given;
  if (odd !== undefined) throw new TypeError(`a handler returned ${odd}, which no answer has`);
  const { ack: _, ...rest } = given as { readonly ack?: unknown }; // an object, or it is odd
  return waits ? given : rest;
}

function createIo(target: Target, commands: Command[]): AnswerIo<AnyEvents> {
  const push = (command: Command): void => void commands.push(command);
  const operator = createOperator(target, push, (more) => createIo(more, commands));
  const { namespace } = target;
  return Object.assign(operator, {
    cancel: (key: string) => push({ do: "cancel", namespace, key }),
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
