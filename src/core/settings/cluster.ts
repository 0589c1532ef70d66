import * as z from "zod/mini";
import { choice, field, integer, ms, secret, text } from "./field.ts";

/** The section `cluster`; its sentence is in `SETTINGS`. */
export const cluster = z.strictObject({
  redisUrl: secret(
    "Redis of all nodes: redis://, redis+sentinel://host:port,…/master or redis+cluster://host:port,…, each with TLS as rediss; empty is one node alone.",
  ),
  redisCaFile: text(
    "",
    "Path of the certificates, in PEM, that may sign those of Redis; the usual ones if empty.",
  ),
  redisCertFile: text("", "Path of the certificate, in PEM, that Redis asks for; none if empty."),
  redisKeyFile: text("", "Path of its private key, in PEM."),
  redisServerName: text(
    "",
    "Name that the certificate of Redis must have; the host of the URL if empty.",
  ),
  adapter: choice(
    ["streams", "pubsub"],
    "streams",
    "How nodes reach each other: streams, or pubsub to share Redis with other Socket.IO servers and emitters, without recovery and busKey.",
  ),
  prefix: text("sluice", "First word of every key and channel in Redis."),
  streamPacketsMax: integer(
    10_000,
    100,
    10_000_000,
    "Packets that the log of a namespace keeps, roughly.",
  ),
  heldBytesMax: integer(
    67_108_864,
    65_536,
    1_073_741_824,
    "Bytes of one namespace that are held at once while older packets are read.",
  ),
  startup: choice(
    ["fail", "wait"],
    "fail",
    "What a start does while Redis cannot be reached: end with an error, or wait for it.",
  ),
  timeoutMs: ms(2_000, 50, 60_000, "How long Redis may take to answer before it counts as away."),
  away: choice(
    ["refuse", "local"],
    "refuse",
    "Commands over HTTP while Redis is away: refused with 503, or carried out on this node alone.",
  ),
  messageBytesMax: integer(
    4_194_304,
    1024,
    536_870_912,
    "Largest message accepted from the bus, in bytes.",
  ),
  busKey: secret(
    "Key that signs messages on the bus; with it, unsigned, foreign and repeated ones are refused.",
  ),
  leaseMs: ms(15_000, 500, 600_000, "How long a silent node counts as alive."),
  pendingMax: integer(
    10_000,
    1,
    1_000_000,
    "Messages of all namespaces that may wait for the answer of Redis or the primary, and as many other commands.",
  ),
  requestsMax: integer(
    1_000,
    1,
    100_000,
    "Requests to other nodes that may be open, for each namespace.",
  ),
  requestTimeoutMs: ms(5_000, 100, 60_000, "How long other nodes may take to answer a request."),
  workers: field(
    z.string().check(z.regex(/^(auto|\d{1,3})$/)),
    "0",
    "Processes that share the port, `auto` being one a core; 0 is this process alone.",
  ),
});
