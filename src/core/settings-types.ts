// Generated from the schemas of the settings by `npm run docs`.

/** TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS. */
interface SocketTlsSettings {
  /**
   * File with the certificate and its chain, in PEM; with it the port is TLS.
   * Default: none (at most 4096 characters).
   */
  certFile?: string | undefined;
  /** File with the certificate's private key, in PEM. Default: none (at most 4096 characters). */
  keyFile?: string | undefined;
  /** Passphrase of the private key. Default: none (never printed). */
  passphrase?: string | undefined;
}

/** Connections: where they are accepted, what each may buffer, when they are closed. */
interface SocketSettings {
  /** Address the gateway listens on. Default: "0.0.0.0" (at most 4096 characters). */
  host?: string | undefined;
  /** Port the gateway listens on; 0 picks a free one. Default: 3000 (0…65535). */
  port?: number | undefined;
  /** URL path of the Socket.IO endpoint. Default: "/socket.io/" (matches `^/[\w\-./]*$`). */
  path?: string | undefined;
  /** Whether the client's bundles are served below socket.path. Default: false. */
  serveClient?: boolean | undefined;
  /** Transports clients may use. Default: ["polling","websocket"]. */
  transports?: ("polling" | "websocket")[] | undefined;
  /** Whether Engine.IO 3 clients (Socket.IO 2) may connect. Default: false. */
  allowEio3?: boolean | undefined;
  /** Time between two heartbeats. Default: 25000 (100…86400000 milliseconds). */
  pingIntervalMs?: number | undefined;
  /** How long a heartbeat may stay unanswered. Default: 20000 (100…86400000 milliseconds). */
  pingTimeoutMs?: number | undefined;
  /** How long an upgrade from polling may take. Default: 10000 (100…600000 milliseconds). */
  upgradeTimeoutMs?: number | undefined;
  /**
   * How long a connection may be in no namespace before it is closed; checked once a second.
   * Default: 45000 (100…600000 milliseconds).
   */
  connectTimeoutMs?: number | undefined;
  /** Largest packet a client may send, in bytes. Default: 1000000 (1024…100000000 bytes). */
  packetBytesMax?: number | undefined;
  /**
   * Unsent bytes above which a connection is closed as slow_consumer.
   * Default: 1048576 (16384…1073741824 bytes).
   */
  bufferBytesMax?: number | undefined;
  /**
   * How long a connection may send none of its unsent bytes before it is closed as slow_consumer.
   * Default: 10000 (100…3600000 milliseconds).
   */
  stallMsMax?: number | undefined;
  /**
   * Time over which a stop closes the connections, in jittered waves.
   * Default: 10000 (0…3600000 milliseconds).
   */
  drainMs?: number | undefined;
  /**
   * Age at which a connection is closed so that its client reconnects; 0 is off, and up to a tenth
   * less is taken at random.
   * Default: 0 (0…2592000000 milliseconds).
   */
  connectionAgeMaxMs?: number | undefined;
  /**
   * Origins of other hosts whose pages may connect, by CORS and by WebSocket: `https://a.example`,
   * `https://*.a.example`, `*` for all.
   * Default: none (at most 1000).
   */
  origins?: string[] | undefined;
  /**
   * Whether clients that send no Origin header may connect; browsers always send one.
   * Default: true.
   */
  originless?: boolean | undefined;
  /**
   * Proxies whose X-Forwarded-For is trusted: CIDRs, `loopback`, `private`; or one number of hops.
   * Default: none (at most 1000).
   */
  trustProxy?: string[] | undefined;
  /**
   * Whether the PROXY protocol v2 names the client's address; only behind a proxy that always sends
   * it.
   * Default: false.
   */
  proxyProtocol?: boolean | undefined;
  /** Whether a page's origin is compared with X-Forwarded-Host instead of Host. Default: false. */
  forwardedHost?: boolean | undefined;
  /** TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS. */
  tls?: SocketTlsSettings | undefined;
}

/** Authentication: how a client's token is checked and what it grants. */
interface AuthSettings {
  /**
   * Who decides on a client: nobody, its JSON Web Token, or the upstream's connect call.
   * Default: "none".
   */
  mode?: "none" | "jwt" | "upstream" | undefined;
  /** Shared secret of HS256/384/512 tokens, at least 32 bytes. Default: none (never printed). */
  secret?: string | undefined;
  /**
   * Public key (or certificate) in PEM, or the path of a file with it.
   * Default: none (at most 4096 characters).
   */
  publicKey?: string | undefined;
  /**
   * URL of a JSON Web Key Set: https, or http on loopback.
   * Default: none (at most 4096 characters).
   */
  jwksUrl?: string | undefined;
  /**
   * Signature algorithms accepted; empty accepts those that fit the kind of key, never `none`.
   * Default: none (at most 1000).
   */
  algorithms?: string[] | undefined;
  /** Accepted `iss` values; empty accepts any. Default: none (at most 1000). */
  issuer?: string[] | undefined;
  /** Accepted `aud` values; empty accepts any. Default: none (at most 1000). */
  audience?: string[] | undefined;
  /** Clock difference tolerated in `exp` and `nbf`. Default: 5000 (0…300000 milliseconds). */
  clockToleranceMs?: number | undefined;
  /**
   * Where a token is looked for, in this order: CONNECT's auth, a header, the query.
   * Default: ["auth"].
   */
  tokenFrom?: ("auth" | "header" | "query")[] | undefined;
  /**
   * Key of the token in CONNECT's auth object and in the query.
   * Default: "token" (at most 4096 characters).
   */
  tokenName?: string | undefined;
  /**
   * Header of the token; a `Bearer ` prefix is removed.
   * Default: "authorization" (at most 4096 characters).
   */
  tokenHeader?: string | undefined;
  /** Longest token that is accepted, in bytes. Default: 8192 (256…65536 bytes). */
  tokenBytesMax?: number | undefined;
  /**
   * Claim that names the user; a token without it is refused.
   * Default: "sub" (at most 4096 characters).
   */
  userClaim?: string | undefined;
  /**
   * Claim (a list of texts) with rooms to join on connecting.
   * Default: "rooms" (at most 4096 characters).
   */
  roomsClaim?: string | undefined;
  /**
   * Patterns of rooms the claim may grant, `*` for any characters; empty grants none.
   * Default: none (at most 1000).
   */
  roomsAllowed?: string[] | undefined;
  /**
   * How long before a token expires its client gets `token_expiring`; 0 sends none.
   * Default: 60000 (0…3600000 milliseconds).
   */
  expiryWarningMs?: number | undefined;
  /** Age at which the key set is fetched again. Default: 600000 (1000…86400000 milliseconds). */
  jwksCacheMs?: number | undefined;
  /**
   * How long an outdated key set is still used while fetching a new one fails.
   * Default: 3600000 (0…86400000 milliseconds).
   */
  jwksStaleMs?: number | undefined;
  /**
   * Least time between two fetches of the key set, however many tokens name unknown keys.
   * Default: 30000 (100…3600000 milliseconds).
   */
  jwksCooldownMs?: number | undefined;
  /** How long a fetch of the key set may take. Default: 5000 (100…60000 milliseconds). */
  jwksTimeoutMs?: number | undefined;
  /** Largest key set that is read, in bytes. Default: 262144 (1024…16777216 bytes). */
  jwksBytesMax?: number | undefined;
}

/** Limits on clients. A rate of 0 is no limit; a burst is at least one second of its rate. */
interface LimitsSettings {
  /** Open connections in all. Default: 1000000 (1…10000000). */
  connectionsMax?: number | undefined;
  /** Open connections per client address (IPv6: per /64). Default: 50000 (1…10000000). */
  addressConnectionsMax?: number | undefined;
  /**
   * Open long-polling connections; each holds at most two requests.
   * Default: 100000 (1…10000000).
   */
  pollingConnectionsMax?: number | undefined;
  /**
   * Open connections in no namespace yet; each may hold socket.packetBytesMax of an unfinished
   * message.
   * Default: 10000 (1…10000000).
   */
  outsideMax?: number | undefined;
  /** Handshakes per second in all. Default: 5000 (0…1000000000). */
  handshakesPerSecond?: number | undefined;
  /** Handshakes in all that may come at once. Default: 10000 (0…1000000000). */
  handshakesBurst?: number | undefined;
  /** Handshakes per second and client address. Default: 1000 (0…1000000000). */
  addressHandshakesPerSecond?: number | undefined;
  /** Handshakes per client address that may come at once. Default: 5000 (0…1000000000). */
  addressHandshakesBurst?: number | undefined;
  /**
   * Client addresses whose handshake rate is remembered; the least recent is forgotten first.
   * Default: 100000 (16…10000000).
   */
  addressesMax?: number | undefined;
  /** Longest URL query of a request, in bytes. Default: 2048 (64…65536 bytes). */
  queryBytesMax?: number | undefined;
  /**
   * Parameters a request's query may have; each costs many times its bytes while its connection
   * lives.
   * Default: 100 (8…10000).
   */
  queryParametersMax?: number | undefined;
  /**
   * Names and values of a request's headers together, in bytes.
   * Default: 16384 (256…1048576 bytes).
   */
  headerBytesMax?: number | undefined;
  /** Packets per second and connection. Default: 1000 (0…1000000000). */
  eventsPerSecond?: number | undefined;
  /** Packets per connection that may come at once. Default: 10000 (0…1000000000). */
  eventsBurst?: number | undefined;
  /** Bytes per second and connection. Default: 8388608 (0…1000000000 bytes). */
  bytesPerSecond?: number | undefined;
  /** Bytes per connection that may come at once. Default: 67108864 (0…1000000000 bytes). */
  bytesBurst?: number | undefined;
  /**
   * What a connection over its rate gets: each event refused, or its close; one whole burst over it
   * is closed either way.
   * Default: "refuse".
   */
  overRate?: "refuse" | "close" | undefined;
  /** Rooms one socket may be in, besides its own. Default: 1000 (1…1000000). */
  roomsMax?: number | undefined;
  /** Longest name of a room, in UTF-8 bytes. Default: 256 (8…65536 bytes). */
  roomBytesMax?: number | undefined;
  /** Namespaces one connection may be in or entering. Default: 10 (1…10000). */
  namespacesMax?: number | undefined;
  /**
   * Namespaces in all; above, clients cannot create more by naming them.
   * Default: 10000 (1…10000000).
   */
  dynamicNamespacesMax?: number | undefined;
  /**
   * Acknowledgements that one socket may be waited on for; above, its connection is closed.
   * Default: 10000 (1…10000000).
   */
  acksPendingMax?: number | undefined;
}

/** Load shedding: when, and how much at once. Each sample changes the stage by at most one. */
interface OverloadSettings {
  /** Whether load is shed at all. Default: true. */
  enabled?: boolean | undefined;
  /**
   * Time between two samples of event-loop lag and memory.
   * Default: 500 (10…60000 milliseconds).
   */
  sampleMs?: number | undefined;
  /** Lag above which handshakes are refused with 503. Default: 500 (1…60000 milliseconds). */
  refuseLagMs?: number | undefined;
  /**
   * Lag above which idle long-polling connections are closed too.
   * Default: 1000 (1…60000 milliseconds).
   */
  idleLagMs?: number | undefined;
  /**
   * Lag above which the connections that hold the most unsent or unfinished bytes are closed too.
   * Default: 2000 (1…60000 milliseconds).
   */
  slowLagMs?: number | undefined;
  /** Memory above which handshakes are refused with 503. Default: 85 (1…100 percent). */
  refuseMemoryPercent?: number | undefined;
  /**
   * Memory above which connections in no namespace, then idle long-polling ones, are closed too.
   * Default: 90 (1…100 percent).
   */
  idleMemoryPercent?: number | undefined;
  /**
   * Memory above which the connections that hold the most unsent or unfinished bytes are closed
   * too.
   * Default: 95 (1…100 percent).
   */
  slowMemoryPercent?: number | undefined;
  /**
   * Resident memory that counts as 100 percent; 0 takes the container's or the machine's.
   * Default: 0 (0…1099511627776 bytes).
   */
  memoryBytesMax?: number | undefined;
  /** Samples below 80 % of a threshold before its stage is left. Default: 6 (1…1000). */
  calmSamples?: number | undefined;
  /** Connections closed per sample in the closing stages. Default: 100 (1…100000). */
  closesPerSample?: number | undefined;
  /**
   * Silence of a client after which it counts as idle.
   * Default: 10000 (100…3600000 milliseconds).
   */
  idleMs?: number | undefined;
  /**
   * What `Retry-After` tells clients refused by overload.
   * Default: 5000 (1000…3600000 milliseconds).
   */
  retryAfterMs?: number | undefined;
}

/** Packet encodings and the limits of one packet. */
interface CodecSettings {
  /** Codecs that clients may speak. Default: "both". */
  accept?: "both" | "msgpack" | "json" | undefined;
  /** Levels a packet's data may nest. Default: 32 (2…1000). */
  depthMax?: number | undefined;
  /** Values one packet may hold, nested ones included. Default: 100000 (16…10000000). */
  elementsMax?: number | undefined;
  /** Bytes an event or namespace name may have. Default: 256 (16…65536 bytes). */
  nameBytesMax?: number | undefined;
  /** Binary values one packet may hold, in either codec. Default: 10 (1…1000). */
  attachmentsMax?: number | undefined;
  /**
   * Bytes of a CONNECT, a token in its auth included; of any packet before the first is answered.
   * Default: 16384 (256…1048576 bytes).
   */
  connectBytesMax?: number | undefined;
  /** Values a CONNECT's auth may hold, nested included. Default: 256 (8…100000). */
  connectElementsMax?: number | undefined;
  /** Levels a CONNECT's auth may nest. Default: 8 (1…1000). */
  connectDepthMax?: number | undefined;
}

/** Broadcasts and commands. */
interface FanoutSettings {
  /**
   * Acknowledgements of broadcasts and emitWithAck commands that may be awaited at once; above, a
   * broadcast is not sent and times out, and a command is refused.
   * Default: 1000000 (1…100000000).
   */
  acksPendingMax?: number | undefined;
  /**
   * Memberships that topics of often-used unions of rooms may hold at once, a room of a union
   * counting as one more; 0 makes no such topics.
   * Default: 100000 (0…10000000).
   */
  unionMembersMax?: number | undefined;
  /** Sockets one emitWithAck command may wait for. Default: 10000 (1…1000000). */
  ackSocketsMax?: number | undefined;
  /**
   * Sockets that the fetchSockets and emitWithAck commands of one request may look through before
   * its next one is refused; on a stream, fetchSockets of each line by itself.
   * Default: 20000 (1…100000000).
   */
  requestSocketsMax?: number | undefined;
  /**
   * Sockets that lists and acknowledgements hold until their requests are answered, in all; above,
   * lists are refused.
   * Default: 200000 (1…100000000).
   */
  listedSocketsMax?: number | undefined;
  /**
   * Lists of sockets or rooms that may wait for their turn; above, they are refused.
   * Default: 1000 (1…1000000).
   */
  listsWaitingMax?: number | undefined;
  /** Commands kept for one socket until its connect hook has let it in. Default: 100 (1…10000). */
  heldCommandsMax?: number | undefined;
  /**
   * Commands with afterMs that may wait for their time: with Redis over all nodes, else in this
   * one; above, they are refused.
   * Default: 100000 (0…10000000).
   */
  delayedMax?: number | undefined;
  /**
   * Bytes of the commands that wait for their time, written as JSON.
   * Default: 67108864 (0…17179869184 bytes).
   */
  delayedBytesMax?: number | undefined;
}

/** Connection state recovery. */
interface RecoverySettings {
  /**
   * How long a lost session can be resumed; 0 turns recovery off.
   * Default: 0 (0…3600000 milliseconds).
   */
  windowMs?: number | undefined;
  /** Lost sessions kept for recovery. Default: 100000 (1…10000000). */
  sessionsMax?: number | undefined;
  /**
   * Joins and leaves remembered of one socket; a client that returns from before the oldest is not
   * recovered.
   * Default: 50 (0…10000).
   */
  roomChangesMax?: number | undefined;
  /** Packets kept for recovery, over all namespaces. Default: 10000 (1…10000000). */
  packetsMax?: number | undefined;
  /**
   * Bytes of packets and sessions kept for recovery, over all namespaces.
   * Default: 67108864 (65536…17179869184).
   */
  bytesMax?: number | undefined;
  /**
   * Largest session, rooms and `data`, that is kept, in bytes; a larger one is not recovered.
   * Default: 65536 (1024…16777216 bytes).
   */
  sessionBytesMax?: number | undefined;
  /**
   * With Redis or workers: how often the `data` of connected sockets is stored, so that clients can
   * be recovered when their node or worker dies; 0 stores nothing, and then they are not recovered.
   * Default: 5000 (0…600000 milliseconds).
   */
  checkpointMs?: number | undefined;
}

/** The module that handles events in the process. */
interface HandlersSettings {
  /**
   * Path of a module whose default export is `(io) => void`.
   * Default: none (at most 4096 characters).
   */
  module?: string | undefined;
  /**
   * What a handler that throws or rejects does to the process: a log line, or its end.
   * Default: "log".
   */
  onError?: "log" | "exit" | undefined;
}

/** Which calls go to which function. */
interface UpstreamRoutesSettings {
  /** Names the route in metrics, logs and dead letters; left out, its namespace and event do. */
  name?: string | undefined;
  /** Namespace, with * for any characters. Default: "/" (at most 256 characters). */
  namespace?: string | undefined;
  /**
   * Event, with * for any characters; `connect` and `disconnect` are those calls.
   * Default: "*" (at most 256 characters).
   */
  event?: string | undefined;
  /** URL of the function. */
  url: string;
  /**
   * Whether events without ack go out in batches; the function must expect them. Left out,
   * upstream.batch holds.
   */
  batch?: boolean | undefined;
  /** Whether calls show the rooms of their socket. Left out, upstream.rooms holds. */
  rooms?: boolean | undefined;
  /**
   * Whether calls show how many sockets are in the rooms of theirs. Left out, upstream.presence
   * holds.
   */
  presence?: boolean | undefined;
  /** Whether the function is told that a client is in, whatever `event` says. Default: false. */
  connected?: boolean | undefined;
}

/** Calls to functions: routes, timeouts, queues and retries. */
interface UpstreamSettings {
  /**
   * URL of the function that answers what no route names; empty calls none.
   * Default: none (at most 4096 characters).
   */
  url?: string | undefined;
  /**
   * List of {name, namespace, event, url, batch, rooms, presence, connected}: the first that
   * matches is called.
   * Default: none (at most 1000).
   */
  routes?: UpstreamRoutesSettings[] | undefined;
  /**
   * Namespaces that upstream.url answers, with * for any characters.
   * Default: ["/"] (at most 1000).
   */
  namespaces?: string[] | undefined;
  /**
   * Which calls upstream.url answers: connect, connected, event, disconnect.
   * Default: ["connect","event","disconnect"].
   */
  calls?: ("connect" | "connected" | "event" | "disconnect")[] | undefined;
  /**
   * Signing secrets (whsec_…), the newest first; each call is signed with all of them.
   * Default: none (never printed).
   */
  secrets?: string[] | undefined;
  /** Whether functions may be called over plain HTTP beyond this machine. Default: false. */
  insecure?: boolean | undefined;
  /**
   * How long a call may take; of an event with an ack, its wait in the queue included.
   * Default: 10000 (10…300000 milliseconds).
   */
  timeoutMs?: number | undefined;
  /**
   * How long a connect call may take, its wait in the queue included.
   * Default: 5000 (10…300000 milliseconds).
   */
  connectTimeoutMs?: number | undefined;
  /** Bytes of a function's answer, inflated. Default: 1048576 (256…67108864 bytes). */
  answerBytesMax?: number | undefined;
  /**
   * Bytes, as JSON, that a socket's data may have after an answer has changed them.
   * Default: 16384 (1024…1048576 bytes).
   */
  dataBytesMax?: number | undefined;
  /** Whether calls show the rooms of their socket. Default: false. */
  rooms?: boolean | undefined;
  /**
   * Whether calls show how many sockets, over all nodes, are in the rooms of theirs.
   * Default: false.
   */
  presence?: boolean | undefined;
  /**
   * For how long the sizes of rooms at other nodes are used, for routes with presence.
   * Default: 1000 (10…60000 milliseconds).
   */
  presenceMs?: number | undefined;
  /** Calls open at once, per origin: its connections. Default: 128 (1…10000). */
  inflightMax?: number | undefined;
  /** Events and connects that wait, over all sockets. Default: 100000 (1…10000000). */
  queueMax?: number | undefined;
  /** Bytes that wait, over all sockets. Default: 67108864 (65536…17179869184 bytes). */
  queueBytesMax?: number | undefined;
  /** Events of one socket that wait for their turn. Default: 100 (1…100000). */
  socketQueueMax?: number | undefined;
  /**
   * What happens when the queue of a socket, or of all, is full: events are refused with an error,
   * its connection is not read from until there is room, or it is closed.
   * Default: "refuse".
   */
  full?: "refuse" | "pause" | "close" | undefined;
  /**
   * Bytes of one socket's events that are taken over the limits when upstream.full is pause, as
   * they were read already; of all sockets queueBytesMax. Above, the connection is closed.
   * Default: 16777216 (65536…1073741824 bytes).
   */
  pausedBytesMax?: number | undefined;
  /**
   * Where calls that no client waits for are kept until a function has answered, and dead letters:
   * in Redis they outlive the process; auto: in Redis if cluster.redisUrl is set.
   * Default: "auto".
   */
  durable?: "auto" | "redis" | "memory" | undefined;
  /**
   * What happens to events without ack while Redis, which is to keep them, is away: they are kept
   * in memory alone, or refused.
   * Default: "memory".
   */
  away?: "memory" | "refuse" | undefined;
  /** Attempts of an event without ack, or of a disconnect. Default: 1000 (1…10000). */
  attemptsMax?: number | undefined;
  /**
   * How long after its first attempt such a call is tried again; 0: ten minutes where calls are
   * kept in Redis, else three seconds.
   * Default: 0 (0…86400000 milliseconds).
   */
  retryForMs?: number | undefined;
  /**
   * Upper bound of the first wait between attempts; it doubles.
   * Default: 200 (1…60000 milliseconds).
   */
  retryMs?: number | undefined;
  /** Upper bound of any wait between attempts. Default: 10000 (1…3600000 milliseconds). */
  retryMsMax?: number | undefined;
  /**
   * Retries in percent of an origin's calls; ten a second are always allowed.
   * Default: 20 (0…1000 percent).
   */
  retryBudgetPercent?: number | undefined;
  /**
   * Percentage of failed calls at which an origin's circuit breaker opens.
   * Default: 50 (1…100 percent).
   */
  breakerPercent?: number | undefined;
  /** Least calls in a window for breakerPercent to apply. Default: 20 (1…100000). */
  breakerCallsMin?: number | undefined;
  /**
   * The window in which the circuit breaker counts calls.
   * Default: 10000 (100…600000 milliseconds).
   */
  breakerWindowMs?: number | undefined;
  /**
   * How long a circuit breaker stays open before one call probes the origin.
   * Default: 5000 (10…600000 milliseconds).
   */
  breakerOpenMs?: number | undefined;
  /** The longest Retry-After that is obeyed. Default: 60000 (1000…3600000 milliseconds). */
  retryAfterMsMax?: number | undefined;
  /**
   * How long a route is not called after its function answered 410; then one call probes it.
   * Default: 600000 (1000…86400000 milliseconds).
   */
  goneMs?: number | undefined;
  /** Whether upstream.url takes events without ack in batches. Default: false. */
  batch?: boolean | undefined;
  /** Events of one batch. Default: 100 (1…10000). */
  batchMax?: number | undefined;
  /** Bytes of one batch, unless one event has more. Default: 1048576 (1024…67108864 bytes). */
  batchBytesMax?: number | undefined;
  /** How long a batch waits to be filled. Default: 10 (1…60000 milliseconds). */
  batchMs?: number | undefined;
  /** Events kept after their last attempt failed. Default: 1000 (0…1000000). */
  deadLettersMax?: number | undefined;
  /** Bytes of dead letters that are kept. Default: 16777216 (0…4294967296 bytes). */
  deadLetterBytesMax?: number | undefined;
  /** How long dead letters are kept. Default: 604800000 (1000…31536000000 milliseconds). */
  deadLetterAgeMs?: number | undefined;
  /** How long a stop lets queued calls go out. Default: 5000 (0…600000 milliseconds). */
  drainMs?: number | undefined;
}

/** The gateway's own HTTP routes, and who may use them. */
interface ApiSettings {
  /**
   * Port of its own for metrics, health and commands; 0 shares socket.port.
   * Default: 0 (0…65535).
   */
  port?: number | undefined;
  /** Address the API port listens on. Default: "0.0.0.0" (at most 4096 characters). */
  host?: string | undefined;
  /**
   * API keys: `id:secret`, or `id:secret:commands:namespaces` with `+` between names, `*` for all,
   * and `*` at a namespace's end for any characters. Beside the commands there are `deadLetters`
   * and `console`.
   * Default: none (never printed).
   */
  keys?: string[] | undefined;
  /**
   * Shared secret of HS256/384/512 tokens for the API, at least 32 bytes.
   * Default: none (never printed).
   */
  jwtSecret?: string | undefined;
  /**
   * Public key in PEM of tokens for the API, or the path of a file with it.
   * Default: none (at most 4096 characters).
   */
  jwtPublicKey?: string | undefined;
  /**
   * URL of a JSON Web Key Set for the API: https, or http on loopback.
   * Default: none (at most 4096 characters).
   */
  jwtJwksUrl?: string | undefined;
  /**
   * `iss` that tokens for the API must have; empty accepts any.
   * Default: none (at most 4096 characters).
   */
  jwtIssuer?: string | undefined;
  /**
   * `aud` that tokens for the API must have, so that no client's token is one.
   * Default: "sluice-api" (at most 1024 characters).
   */
  jwtAudience?: string | undefined;
  /**
   * Largest request body in bytes, inflated; of NDJSON, the largest line.
   * Default: 1048576 (1024…104857600 bytes).
   */
  bodyBytesMax?: number | undefined;
  /**
   * How long a body may take to arrive, and a stream to move in either direction.
   * Default: 5000 (100…60000 milliseconds).
   */
  bodyMs?: number | undefined;
  /** Bodies and streams that may be open at once. Default: 256 (1…100000). */
  bodiesMax?: number | undefined;
  /**
   * Bytes of bodies that are arriving, all together; as many again while senders are being checked.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  bodiesBytesMax?: number | undefined;
  /**
   * How long an Idempotency-Key repeats its answer.
   * Default: 600000 (1000…86400000 milliseconds).
   */
  idempotencyMs?: number | undefined;
  /**
   * Bytes of answers kept for Idempotency-Keys; above, new keys are refused.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  idempotencyBytesMax?: number | undefined;
}

/** The console, a page in the browser that shows a gateway live. */
interface ConsoleSettings {
  /**
   * Whether `/console` is served on the API port: once a key of `api.keys` has the right `console`,
   * or tokens are set; without either only while developing, with the key in the link that the
   * start prints.
   * Default: true.
   */
  enabled?: boolean | undefined;
  /**
   * How far back the charts go, a sample a second.
   * Default: 900000 (60000…86400000 milliseconds).
   */
  historyMs?: number | undefined;
  /** Live streams that may be open at once, over all who look. Default: 16 (1…1000). */
  streamsMax?: number | undefined;
  /**
   * Whether the events of a socket or room can be watched; `auto`: only while developing, which the
   * `sluice` process does without `NODE_ENV=production`.
   * Default: "auto".
   */
  watch?: "auto" | "on" | "off" | undefined;
  /**
   * Watched events that one stream is sent in a second; those above are counted.
   * Default: 100 (1…10000).
   */
  watchPerSecondMax?: number | undefined;
  /**
   * Whether watched events show their arguments, or only what type and size they have.
   * Default: "shown".
   */
  watchArguments?: "shown" | "masked" | undefined;
}

/** Other nodes, connected by Redis, and workers on this machine. */
interface ClusterSettings {
  /**
   * Redis of all nodes: redis://, redis+sentinel://host:port,…/master or
   * redis+cluster://host:port,…, each with TLS as rediss; empty is one node alone.
   * Default: none (never printed).
   */
  redisUrl?: string | undefined;
  /**
   * Path of the certificates, in PEM, that may sign those of Redis; the usual ones if empty.
   * Default: none (at most 4096 characters).
   */
  redisCaFile?: string | undefined;
  /**
   * Path of the certificate, in PEM, that Redis asks for; none if empty.
   * Default: none (at most 4096 characters).
   */
  redisCertFile?: string | undefined;
  /** Path of its private key, in PEM. Default: none (at most 4096 characters). */
  redisKeyFile?: string | undefined;
  /**
   * Name that the certificate of Redis must have; the host of the URL if empty.
   * Default: none (at most 4096 characters).
   */
  redisServerName?: string | undefined;
  /**
   * How nodes reach each other: streams, or pubsub to share Redis with other Socket.IO servers and
   * emitters, without recovery and busKey.
   * Default: "streams".
   */
  adapter?: "streams" | "pubsub" | undefined;
  /** First word of every key and channel in Redis. Default: "sluice" (at most 4096 characters). */
  prefix?: string | undefined;
  /** Packets that the log of a namespace keeps, roughly. Default: 10000 (100…10000000). */
  streamPacketsMax?: number | undefined;
  /**
   * Bytes of one namespace that are held at once while older packets are read.
   * Default: 67108864 (65536…1073741824 bytes).
   */
  heldBytesMax?: number | undefined;
  /**
   * What a start does while Redis cannot be reached: end with an error, or wait for it.
   * Default: "fail".
   */
  startup?: "fail" | "wait" | undefined;
  /**
   * How long Redis may take to answer before it counts as away.
   * Default: 2000 (50…60000 milliseconds).
   */
  timeoutMs?: number | undefined;
  /**
   * Commands over HTTP while Redis is away: refused with 503, or carried out on this node alone.
   * Default: "refuse".
   */
  away?: "refuse" | "local" | undefined;
  /** Largest message accepted from the bus, in bytes. Default: 4194304 (1024…536870912 bytes). */
  messageBytesMax?: number | undefined;
  /**
   * Key that signs messages on the bus; with it, unsigned, foreign and repeated ones are refused.
   * Default: none (never printed).
   */
  busKey?: string | undefined;
  /** How long a silent node counts as alive. Default: 15000 (500…600000 milliseconds). */
  leaseMs?: number | undefined;
  /**
   * Messages of all namespaces that may wait for the answer of Redis or the primary, and as many
   * other commands.
   * Default: 10000 (1…1000000).
   */
  pendingMax?: number | undefined;
  /** Requests to other nodes that may be open, for each namespace. Default: 1000 (1…100000). */
  requestsMax?: number | undefined;
  /** How long other nodes may take to answer a request. Default: 5000 (100…60000 milliseconds). */
  requestTimeoutMs?: number | undefined;
  /**
   * Processes that share the port, `auto` being one a core; 0 is this process alone.
   * Default: "0" (matches `^(auto|\d{1,3})$`).
   */
  workers?: string | undefined;
}

/** The metrics route. */
interface MetricsSettings {
  /** URL path that Prometheus scrapes. Default: "/metrics" (matches `^/[\w\-./]*$`). */
  path?: string | undefined;
  /** Whether Node.js' own process metrics are exported. Default: true. */
  defaults?: boolean | undefined;
}

/** Traces of events, calls and commands, for an OpenTelemetry collector. */
interface TraceSettings {
  /**
   * URL of an OpenTelemetry collector that takes spans as OTLP over HTTP; without a path it is
   * /v1/traces. Empty traces nothing.
   * Default: none (at most 4096 characters).
   */
  otlpUrl?: string | undefined;
  /**
   * Headers of each export, as `name=value`: what the collector asks for.
   * Default: none (never printed).
   */
  headers?: string[] | undefined;
  /**
   * Share of the traces that begin here which are exported; a trace that came with a context keeps
   * its caller's choice.
   * Default: 1 (0…1).
   */
  sampleRatio?: number | undefined;
  /**
   * Whether clients' trace contexts are followed; without, each event and connect of theirs begins
   * a trace.
   * Default: true.
   */
  fromClients?: boolean | undefined;
  /** `service.name` of the spans. Default: "sluice" (at most 256 characters). */
  serviceName?: string | undefined;
  /**
   * Spans that wait for the collector; above, they are dropped and counted.
   * Default: 2048 (1…100000).
   */
  queueMax?: number | undefined;
  /** Spans of one export. Default: 512 (1…10000). */
  batchMax?: number | undefined;
  /** How long a span waits for an export to fill. Default: 1000 (1…60000 milliseconds). */
  batchMs?: number | undefined;
  /**
   * How long an export may take, its repetitions included; a stop waits as long for the last ones.
   * Default: 5000 (100…60000 milliseconds).
   */
  timeoutMs?: number | undefined;
}

/** Log lines. */
interface LogSettings {
  /**
   * Least severe line that is written; debug tells of every connection, join and leave, too.
   * Default: "info".
   */
  level?: "debug" | "info" | "warn" | "error" | "silent" | undefined;
  /**
   * How a line is written: JSON, or text for people; auto: text in a terminal, else JSON.
   * Default: "auto".
   */
  format?: "auto" | "json" | "text" | undefined;
  /**
   * Bytes of lines that wait for a slow reader of standard output; a line above it is dropped and
   * counted.
   * Default: 1048576 (0…1073741824 bytes).
   */
  bufferBytesMax?: number | undefined;
}

/** Any part of the settings, as a caller may give them. */
export interface PartialSettings {
  /** Connections: where they are accepted, what each may buffer, when they are closed. */
  socket?: SocketSettings | undefined;
  /** Authentication: how a client's token is checked and what it grants. */
  auth?: AuthSettings | undefined;
  /** Limits on clients. A rate of 0 is no limit; a burst is at least one second of its rate. */
  limits?: LimitsSettings | undefined;
  /** Load shedding: when, and how much at once. Each sample changes the stage by at most one. */
  overload?: OverloadSettings | undefined;
  /** Packet encodings and the limits of one packet. */
  codec?: CodecSettings | undefined;
  /** Broadcasts and commands. */
  fanout?: FanoutSettings | undefined;
  /** Connection state recovery. */
  recovery?: RecoverySettings | undefined;
  /** The module that handles events in the process. */
  handlers?: HandlersSettings | undefined;
  /** Calls to functions: routes, timeouts, queues and retries. */
  upstream?: UpstreamSettings | undefined;
  /** The gateway's own HTTP routes, and who may use them. */
  api?: ApiSettings | undefined;
  /** The console, a page in the browser that shows a gateway live. */
  console?: ConsoleSettings | undefined;
  /** Other nodes, connected by Redis, and workers on this machine. */
  cluster?: ClusterSettings | undefined;
  /** The metrics route. */
  metrics?: MetricsSettings | undefined;
  /** Traces of events, calls and commands, for an OpenTelemetry collector. */
  trace?: TraceSettings | undefined;
  /** Log lines. */
  log?: LogSettings | undefined;
}
