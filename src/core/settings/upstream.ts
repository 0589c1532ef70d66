import * as z from "zod/mini";
import { choice, field, flag, integer, list, ms, secrets, text } from "./field.ts";

const name = (byDefault: string, sentence: string) =>
  field(z.string().check(z.minLength(1), z.maxLength(256)), byDefault, sentence);

const route = z.strictObject({
  name: z.optional(z.string().check(z.regex(/^[a-z0-9_-]{1,64}$/))).register(z.globalRegistry, {
    description:
      "Names the route in metrics, logs and dead letters; left out, its namespace and event do.",
  }),
  namespace: name("/", "Namespace, with * for any characters."),
  event: name("*", "Event, with * for any characters; `connect` and `disconnect` are those calls."),
  url: z
    .string()
    .check(z.minLength(1), z.maxLength(4096))
    .register(z.globalRegistry, { description: "URL of the function." }),
  batch: z.optional(z.boolean()).register(z.globalRegistry, {
    description:
      "Whether events without ack go out in batches; the function must expect them. " +
      "Left out, upstream.batch holds.",
  }),
  rooms: z.optional(z.boolean()).register(z.globalRegistry, {
    description: "Whether calls show the rooms of their socket. Left out, upstream.rooms holds.",
  }),
  presence: z.optional(z.boolean()).register(z.globalRegistry, {
    description:
      "Whether calls show how many sockets are in the rooms of theirs. " +
      "Left out, upstream.presence holds.",
  }),
  connected: z.optional(z.boolean()).register(z.globalRegistry, {
    description:
      "Whether the function is told that a client is in, whatever `event` says. Default: false.",
  }),
});
z.globalRegistry.add(route, { description: "Which calls go to which function." });

/** The section `upstream`; its sentence is in `SETTINGS`. */
export const upstream = z.strictObject({
  url: text("", "URL of the function that answers what no route names; empty calls none."),
  routes: field(
    z.array(route).check(z.maxLength(1000)),
    [],
    "List of {name, namespace, event, url, batch, rooms, presence, connected}: " +
      "the first that matches is called.",
  ),
  namespaces: list(["/"], "Namespaces that upstream.url answers, with * for any characters."),
  calls: field(
    z.array(z.enum(["connect", "connected", "event", "disconnect"])).check(z.maxLength(4)),
    ["connect", "event", "disconnect"],
    "Which calls upstream.url answers: connect, connected, event, disconnect.",
  ),
  secrets: secrets(
    "Signing secrets (whsec_…), the newest first; each call is signed with all of them.",
  ),
  insecure: flag(false, "Whether functions may be called over plain HTTP beyond this machine."),
  timeoutMs: ms(
    10_000,
    10,
    300_000,
    "How long a call may take; of an event with an ack, its wait in the queue included.",
  ),
  connectTimeoutMs: ms(
    5000,
    10,
    300_000,
    "How long a connect call may take, its wait in the queue included.",
  ),
  answerBytesMax: integer(1_048_576, 256, 67_108_864, "Bytes of a function's answer, inflated."),
  dataBytesMax: integer(
    16_384,
    1024,
    1_048_576,
    "Bytes, as JSON, that a socket's data may have after an answer has changed them.",
  ),
  rooms: flag(false, "Whether calls show the rooms of their socket."),
  presence: flag(
    false,
    "Whether calls show how many sockets, over all nodes, are in the rooms of theirs.",
  ),
  presenceMs: ms(
    1000,
    10,
    60_000,
    "For how long the sizes of rooms at other nodes are used, for routes with presence.",
  ),
  inflightMax: integer(128, 1, 10_000, "Calls open at once, per origin: its connections."),
  queueMax: integer(100_000, 1, 10_000_000, "Events and connects that wait, over all sockets."),
  queueBytesMax: integer(67_108_864, 65_536, 17_179_869_184, "Bytes that wait, over all sockets."),
  socketQueueMax: integer(100, 1, 100_000, "Events of one socket that wait for their turn."),
  full: choice(
    ["refuse", "pause", "close"],
    "refuse",
    "What happens when the queue of a socket, or of all, is full: events are refused with an error, its connection is not read from until there is room, or it is closed.",
  ),
  // More than the kernel holds of one connection: a burst can be read whole before it is noticed.
  pausedBytesMax: integer(
    16_777_216,
    65_536,
    1_073_741_824,
    "Bytes of one socket's events that are taken over the limits when upstream.full is pause, as they were read already; of all sockets queueBytesMax. Above, the connection is closed.",
  ),
  durable: choice(
    ["auto", "redis", "memory"],
    "auto",
    "Where calls that no client waits for are kept until a function has answered, and dead letters: in Redis they outlive the process; auto: in Redis if cluster.redisUrl is set.",
  ),
  away: choice(
    ["memory", "refuse"],
    "memory",
    "What happens to events without ack while Redis, which is to keep them, is away: they are kept in memory alone, or refused.",
  ),
  attemptsMax: integer(1000, 1, 10_000, "Attempts of an event without ack, or of a disconnect."),
  retryForMs: ms(
    0,
    0,
    86_400_000,
    "How long after its first attempt such a call is tried again; 0: ten minutes where calls are kept in Redis, else three seconds.",
  ),
  retryMs: ms(200, 1, 60_000, "Upper bound of the first wait between attempts; it doubles."),
  retryMsMax: ms(10_000, 1, 3_600_000, "Upper bound of any wait between attempts."),
  retryBudgetPercent: integer(
    20,
    0,
    1000,
    "Retries in percent of an origin's calls; ten a second are always allowed.",
  ),
  breakerPercent: integer(
    50,
    1,
    100,
    "Percentage of failed calls at which an origin's circuit breaker opens.",
  ),
  breakerCallsMin: integer(20, 1, 100_000, "Least calls in a window for breakerPercent to apply."),
  breakerWindowMs: ms(
    10_000,
    100,
    600_000,
    "The window in which the circuit breaker counts calls.",
  ),
  breakerOpenMs: ms(
    5000,
    10,
    600_000,
    "How long a circuit breaker stays open before one call probes the origin.",
  ),
  retryAfterMsMax: ms(60_000, 1000, 3_600_000, "The longest Retry-After that is obeyed."),
  goneMs: ms(
    600_000,
    1000,
    86_400_000,
    "How long a route is not called after its function answered 410; then one call probes it.",
  ),
  batch: flag(false, "Whether upstream.url takes events without ack in batches."),
  batchMax: integer(100, 1, 10_000, "Events of one batch."),
  batchBytesMax: integer(
    1_048_576,
    1024,
    67_108_864,
    "Bytes of one batch, unless one event has more.",
  ),
  batchMs: ms(10, 1, 60_000, "How long a batch waits to be filled."),
  deadLettersMax: integer(1000, 0, 1_000_000, "Events kept after their last attempt failed."),
  deadLetterBytesMax: integer(16_777_216, 0, 4_294_967_296, "Bytes of dead letters that are kept."),
  deadLetterAgeMs: ms(604_800_000, 1000, 31_536_000_000, "How long dead letters are kept."),
  drainMs: ms(5000, 0, 600_000, "How long a stop lets queued calls go out."),
});
