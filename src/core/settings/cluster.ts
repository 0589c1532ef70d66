import * as z from "zod/mini";
import { choice, field, integer, ms, secret, text } from "./field.ts";

/** The section `cluster`; its sentence is in `SETTINGS`. */
export const cluster = z.strictObject({
  redisUrl: secret(
    "URL of the Redis that connects the nodes: redis://…, redis+sentinel://host:port,…/master or redis+cluster://host:port,…; with TLS, rediss instead of redis. Empty: a single node.",
  ),
  redisCaFile: text("", "File with the CA certificates for Redis, in PEM; empty: the usual ones."),
  redisCertFile: text("", "File with this node's certificate for Redis, in PEM; empty: none."),
  redisKeyFile: text("", "File with the private key of cluster.redisCertFile, in PEM."),
  redisServerName: text(
    "",
    "Host name that the certificate of Redis must have; empty: the host of the URL.",
  ),
  adapter: choice(
    ["streams", "pubsub"],
    "streams",
    "How nodes reach each other: streams, or pubsub to share Redis with other Socket.IO servers and emitters. pubsub has neither recovery nor cluster.busKey.",
  ),
  prefix: text("sluice", "Prefix of every key and channel in Redis."),
  streamPacketsMax: integer(
    10_000,
    100,
    10_000_000,
    "Packets that the log of a namespace keeps, approximately.",
  ),
  heldBytesMax: integer(
    67_108_864,
    65_536,
    1_073_741_824,
    "Bytes of one namespace's packets that may be held in memory while older packets are read.",
  ),
  startup: choice(
    ["fail", "wait"],
    "fail",
    "What happens at start if Redis cannot be reached: fail ends with an error, wait waits for it.",
  ),
  timeoutMs: ms(2_000, 50, 60_000, "How long Redis may take to answer before it counts as away."),
  away: choice(
    ["refuse", "local"],
    "refuse",
    "What happens to commands over HTTP while Redis is away: they are refused with 503, or carried out on this node only.",
  ),
  messageBytesMax: integer(
    4_194_304,
    1024,
    536_870_912,
    "Largest message accepted from other nodes, in bytes.",
  ),
  busKey: secret(
    "Key that signs messages between nodes. If set, unsigned, foreign and repeated messages are refused.",
  ),
  leaseMs: ms(
    15_000,
    500,
    600_000,
    "How long a node may be silent before the others consider it dead.",
  ),
  pendingMax: integer(
    10_000,
    1,
    1_000_000,
    "Messages of all namespaces that may wait for Redis or the primary to confirm them; as many other commands may wait too.",
  ),
  requestsMax: integer(
    1_000,
    1,
    100_000,
    "Requests to other nodes that may be open, per namespace.",
  ),
  requestTimeoutMs: ms(5_000, 100, 60_000, "How long other nodes may take to answer a request."),
  workers: field(
    z.string().check(z.regex(/^(auto|\d{1,3})$/)),
    "0",
    "Processes that share the port; `auto`: one per core. 0: this process alone. Only the command `sluice` starts them.",
  ),
});
