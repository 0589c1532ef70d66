import * as z from "zod/mini";
import { choice, field, flag, integer, list, ms, secrets, text } from "./field.ts";

const name = (byDefault: string, sentence: string) =>
  field(z.string().check(z.minLength(1), z.maxLength(256)), byDefault, sentence);

const route = z.strictObject({
  name: z.optional(z.string().check(z.regex(/^[a-z0-9_-]{1,64}$/))).register(z.globalRegistry, {
    description:
      "Name of the route in metrics, logs and dead letters. Default: its namespace and event.",
  }),
  namespace: name("/", "Namespace; * matches any characters."),
  event: name("*", "Event; * matches any characters. `connect` and `disconnect` are those calls."),
  url: z
    .string()
    .check(z.minLength(1), z.maxLength(4096))
    .register(z.globalRegistry, { description: "URL of the function." }),
  batch: z.optional(z.boolean()).register(z.globalRegistry, {
    description:
      "Whether events without ack go out in batches; the function must expect them. " +
      "Default: upstream.batch.",
  }),
  rooms: z.optional(z.boolean()).register(z.globalRegistry, {
    description: "Whether calls contain the rooms of the socket. Default: upstream.rooms.",
  }),
  presence: z.optional(z.boolean()).register(z.globalRegistry, {
    description:
      "Whether calls contain how many sockets are in each room of the socket. " +
      "Default: upstream.presence.",
  }),
  connected: z.optional(z.boolean()).register(z.globalRegistry, {
    description:
      "Whether the function is told after a client has joined, whatever `event` is. Default: false.",
  }),
});
z.globalRegistry.add(route, { description: "Which calls go to which function." });

/** The section `upstream`; its sentence is in `SETTINGS`. */
export const upstream = z.strictObject({
  url: text("", "URL of the function that is called when no route matches; empty calls none."),
  routes: field(
    z.array(route).check(z.maxLength(1000)),
    [],
    "List of {name, namespace, event, url, batch, rooms, presence, connected}: " +
      "the first that matches is called.",
  ),
  namespaces: list(["/"], "Namespaces for which upstream.url is called; * matches any characters."),
  calls: field(
    z.array(z.enum(["connect", "connected", "event", "disconnect"])).check(z.maxLength(4)),
    ["connect", "event", "disconnect"],
    "Which calls upstream.url gets: connect, connected, event, disconnect.",
  ),
  secrets: secrets(
    "Signing secrets (whsec_…), the newest first; each call is signed with all of them.",
  ),
  insecure: flag(false, "Whether functions on other machines may be called over plain HTTP."),
  timeoutMs: ms(
    10_000,
    10,
    300_000,
    "How long a call may take. For an event with an ack, its time in the queue counts too.",
  ),
  connectTimeoutMs: ms(
    5000,
    10,
    300_000,
    "How long a connect call may take, including its time in the queue.",
  ),
  answerBytesMax: integer(
    1_048_576,
    256,
    67_108_864,
    "Size of a function's answer in bytes, after decompression.",
  ),
  dataBytesMax: integer(
    16_384,
    1024,
    1_048_576,
    "Size of a socket's `data`, in bytes of JSON, after an answer has changed it.",
  ),
  rooms: flag(false, "Whether calls contain the rooms of the socket."),
  presence: flag(
    false,
    "Whether calls contain how many sockets, over all nodes, are in each room of the socket.",
  ),
  presenceMs: ms(
    1000,
    10,
    60_000,
    "How long the room sizes of other nodes are cached, for routes with presence.",
  ),
  inflightMax: integer(
    128,
    1,
    10_000,
    "Calls that may be open at once, per origin. Each uses one connection.",
  ),
  queueMax: integer(
    100_000,
    1,
    10_000_000,
    "Events and connects that may wait in the queue, over all sockets.",
  ),
  queueBytesMax: integer(
    67_108_864,
    65_536,
    17_179_869_184,
    "Bytes that may wait in the queue, over all sockets.",
  ),
  socketQueueMax: integer(100, 1, 100_000, "Events of one socket that may wait in the queue."),
  full: choice(
    ["refuse", "pause", "close"],
    "refuse",
    "What happens when the queue of a socket, or the whole queue, is full. refuse: events get an error. pause: the connection is not read until there is room. close: the connection is closed.",
  ),
  // More than the kernel holds of one connection: a burst can be read whole before it is noticed.
  pausedBytesMax: integer(
    16_777_216,
    65_536,
    1_073_741_824,
    "With upstream.full: pause, bytes of one socket's events that are accepted above the limits, because they had been read already. For all sockets together, the bound is upstream.queueBytesMax. Above, the connection is closed.",
  ),
  durable: choice(
    ["auto", "redis", "memory"],
    "auto",
    "Where calls without a waiting client, and dead letters, are kept until a function has answered. In Redis they outlive the process. auto: in Redis if cluster.redisUrl is set.",
  ),
  away: choice(
    ["memory", "refuse"],
    "memory",
    "What happens to events without ack while Redis should keep them and is away: they are kept in memory only, or refused.",
  ),
  attemptsMax: integer(1000, 1, 10_000, "Attempts for an event without ack, or for a disconnect."),
  retryForMs: ms(
    0,
    0,
    86_400_000,
    "How long after the first attempt an event without ack, or a disconnect, is retried; 0: ten minutes if calls are kept in Redis, else three seconds.",
  ),
  retryMs: ms(200, 1, 60_000, "Longest wait before the first retry; it doubles with each retry."),
  retryMsMax: ms(10_000, 1, 3_600_000, "Longest wait before any retry."),
  retryBudgetPercent: integer(
    20,
    0,
    1000,
    "Retries, in percent of an origin's calls; ten a second are always allowed.",
  ),
  breakerPercent: integer(
    50,
    1,
    100,
    "Percentage of failed calls at which an origin's circuit breaker opens.",
  ),
  breakerCallsMin: integer(
    20,
    1,
    100_000,
    "Calls in a window that are needed before upstream.breakerPercent applies.",
  ),
  breakerWindowMs: ms(10_000, 100, 600_000, "Window in which the circuit breaker counts calls."),
  breakerOpenMs: ms(
    5000,
    10,
    600_000,
    "How long a circuit breaker stays open before one call tests the origin.",
  ),
  retryAfterMsMax: ms(
    60_000,
    1000,
    3_600_000,
    "Longest Retry-After of a function that is followed.",
  ),
  goneMs: ms(
    600_000,
    1000,
    86_400_000,
    "How long a route is not called after its function answered 410; then one call tests it.",
  ),
  batch: flag(false, "Whether upstream.url gets events without ack in batches."),
  batchMax: integer(100, 1, 10_000, "Events in one batch."),
  batchBytesMax: integer(
    1_048_576,
    1024,
    67_108_864,
    "Size of one batch in bytes; a single event may be larger.",
  ),
  batchMs: ms(10, 1, 60_000, "How long a batch waits for more events."),
  deadLettersMax: integer(
    1000,
    0,
    1_000_000,
    "Dead letters that are kept: events whose last attempt failed.",
  ),
  deadLetterBytesMax: integer(
    16_777_216,
    0,
    4_294_967_296,
    "Size of the dead letters that are kept, in bytes.",
  ),
  deadLetterAgeMs: ms(604_800_000, 1000, 31_536_000_000, "How long dead letters are kept."),
  drainMs: ms(5000, 0, 600_000, "How long queued calls may still go out while the gateway stops."),
});
