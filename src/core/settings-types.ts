// Generated from the schemas of the settings by `npm run docs`.

/** TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS. */
interface PartialSocketTlsSettings {
  /**
   * File with the certificate and its chain, in PEM. If set, the port speaks TLS.
   * Default: none (at most 4096 characters).
   */
  certFile?: string | undefined;
  /** File with the certificate's private key, in PEM. Default: none (at most 4096 characters). */
  keyFile?: string | undefined;
  /** Passphrase of the private key. Default: none (never printed). */
  passphrase?: string | undefined;
}

/** Connections: where they are accepted, how much each may buffer, when they are closed. */
interface PartialSocketSettings {
  /** Address the gateway listens on. Default: "0.0.0.0" (at most 4096 characters). */
  host?: string | undefined;
  /** Port the gateway listens on; 0 picks a free one. Default: 3000 (0…65535). */
  port?: number | undefined;
  /** URL path of the Socket.IO endpoint. Default: "/socket.io/" (matches `^/[\w\-./]*$`). */
  path?: string | undefined;
  /** Whether Socket.IO's client bundles are served below socket.path. Default: false. */
  serveClient?: boolean | undefined;
  /** Transports clients may use. Default: ["polling","websocket"]. */
  transports?: ("polling" | "websocket")[] | undefined;
  /** Whether Engine.IO 3 clients (Socket.IO 2) may connect. Default: false. */
  allowEio3?: boolean | undefined;
  /** Time between two heartbeats. Default: 25000 (100…86400000 milliseconds). */
  pingIntervalMs?: number | undefined;
  /**
   * How long a client may take to answer a heartbeat.
   * Default: 20000 (100…86400000 milliseconds).
   */
  pingTimeoutMs?: number | undefined;
  /** How long an upgrade from polling may take. Default: 10000 (100…600000 milliseconds). */
  upgradeTimeoutMs?: number | undefined;
  /**
   * How long a client may take to join its first namespace, before its connection is closed;
   * checked once a second.
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
   * How long unsent bytes may make no progress before the connection is closed as slow_consumer.
   * Default: 10000 (100…3600000 milliseconds).
   */
  stallMsMax?: number | undefined;
  /**
   * Time over which a stopping gateway closes its connections, in waves with jitter.
   * Default: 10000 (0…3600000 milliseconds).
   */
  drainMs?: number | undefined;
  /**
   * Age at which a connection is closed so that its client reconnects, up to a tenth less at
   * random; 0 turns this off.
   * Default: 0 (0…2592000000 milliseconds).
   */
  connectionAgeMaxMs?: number | undefined;
  /**
   * Origins of other hosts whose pages may connect, over long-polling (CORS) and WebSocket:
   * `https://a.example`, `https://*.a.example`; `*` allows all.
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
   * Whether the client's address is taken from the PROXY protocol v2; only behind a proxy that
   * always sends it.
   * Default: false.
   */
  proxyProtocol?: boolean | undefined;
  /**
   * Whether Sluice compares a page's origin with X-Forwarded-Host instead of Host.
   * Default: false.
   */
  forwardedHost?: boolean | undefined;
  /** TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS. */
  tls?: PartialSocketTlsSettings | undefined;
}

/** Authentication: how a client's token is checked and what it grants. */
interface PartialAuthSettings {
  /**
   * How clients are authenticated: not at all, by a JSON Web Token, or by the connect call to a
   * function.
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
   * Accepted signature algorithms; empty accepts those that fit the kind of key, never `none`.
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
   * Where the token is read from, in this order: the auth of CONNECT, a header, the query.
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
   * Claim with the rooms to join on connecting, a list of strings.
   * Default: "rooms" (at most 4096 characters).
   */
  roomsClaim?: string | undefined;
  /**
   * Patterns of the rooms that auth.roomsClaim may grant; `*` matches any characters. Empty grants
   * none.
   * Default: none (at most 1000).
   */
  roomsAllowed?: string[] | undefined;
  /**
   * How long before its token expires a client gets `token_expiring`; 0 sends none.
   * Default: 60000 (0…3600000 milliseconds).
   */
  expiryWarningMs?: number | undefined;
  /** Age at which the key set is fetched again. Default: 600000 (1000…86400000 milliseconds). */
  jwksCacheMs?: number | undefined;
  /**
   * How long after auth.jwksCacheMs an old key set is still used, if fetching a new one fails.
   * Default: 3600000 (0…86400000 milliseconds).
   */
  jwksStaleMs?: number | undefined;
  /**
   * Minimum time between two fetches of the key set, even if tokens name unknown keys.
   * Default: 30000 (100…3600000 milliseconds).
   */
  jwksCooldownMs?: number | undefined;
  /** How long a fetch of the key set may take. Default: 5000 (100…60000 milliseconds). */
  jwksTimeoutMs?: number | undefined;
  /** Largest key set that is read, in bytes. Default: 262144 (1024…16777216 bytes). */
  jwksBytesMax?: number | undefined;
}

/**
 * Limits on clients, counted per process. A rate of 0 means no limit; a burst is at least one
 * second of its rate.
 */
interface PartialLimitsSettings {
  /** Open connections of this process. Default: 1000000 (1…10000000). */
  connectionsMax?: number | undefined;
  /** Open connections per client address (IPv6: per /64). Default: 50000 (1…10000000). */
  addressConnectionsMax?: number | undefined;
  /**
   * Open long-polling connections; each holds at most two requests.
   * Default: 100000 (1…10000000).
   */
  pollingConnectionsMax?: number | undefined;
  /**
   * Open connections that have joined no namespace yet. Each may hold an unfinished message of up
   * to socket.packetBytesMax.
   * Default: 10000 (1…10000000).
   */
  outsideMax?: number | undefined;
  /** Handshakes per second, from all clients. Default: 5000 (0…1000000000). */
  handshakesPerSecond?: number | undefined;
  /** Handshakes that may come at once, from all clients. Default: 10000 (0…1000000000). */
  handshakesBurst?: number | undefined;
  /** Handshakes per second and client address. Default: 1000 (0…1000000000). */
  addressHandshakesPerSecond?: number | undefined;
  /** Handshakes per client address that may come at once. Default: 5000 (0…1000000000). */
  addressHandshakesBurst?: number | undefined;
  /**
   * Client addresses whose handshake rate is tracked; the least recently seen is dropped first.
   * Default: 100000 (16…10000000).
   */
  addressesMax?: number | undefined;
  /** Longest URL query of a request, in bytes. Default: 2048 (64…65536 bytes). */
  queryBytesMax?: number | undefined;
  /**
   * Parameters in a request's query. While the connection is open, each takes many times its bytes
   * in memory.
   * Default: 100 (8…10000).
   */
  queryParametersMax?: number | undefined;
  /**
   * Total size of a request's header names and values, in bytes.
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
   * What happens above a rate. refuse: each event is refused, and the connection is closed once it
   * is a whole burst above. close: the connection is closed at once.
   * Default: "refuse".
   */
  overRate?: "refuse" | "close" | undefined;
  /** Rooms one socket may be in, besides its own. Default: 1000 (1…1000000). */
  roomsMax?: number | undefined;
  /** Longest name of a room, in UTF-8 bytes. Default: 256 (8…65536 bytes). */
  roomBytesMax?: number | undefined;
  /** Namespaces that one connection may have joined or be joining. Default: 10 (1…10000). */
  namespacesMax?: number | undefined;
  /**
   * Namespaces of this process. At this number, clients cannot create more by connecting to a new
   * name.
   * Default: 10000 (1…10000000).
   */
  dynamicNamespacesMax?: number | undefined;
  /**
   * Acknowledgements that one socket may still have to send; above, its connection is closed.
   * Default: 10000 (1…10000000).
   */
  acksPendingMax?: number | undefined;
}

/**
 * Overload protection: when it starts, and how much it closes at once. Each sample changes the
 * stage by at most one.
 */
interface PartialOverloadSettings {
  /** Whether overload protection is on. Default: true. */
  enabled?: boolean | undefined;
  /**
   * Time between two samples of event-loop lag and memory.
   * Default: 500 (10…60000 milliseconds).
   */
  sampleMs?: number | undefined;
  /**
   * Event-loop lag above which handshakes are refused with 503.
   * Default: 500 (1…60000 milliseconds).
   */
  refuseLagMs?: number | undefined;
  /**
   * Event-loop lag above which idle long-polling connections are closed too.
   * Default: 1000 (1…60000 milliseconds).
   */
  idleLagMs?: number | undefined;
  /**
   * Event-loop lag above which the connections with the most unsent or unfinished bytes are closed
   * too.
   * Default: 2000 (1…60000 milliseconds).
   */
  slowLagMs?: number | undefined;
  /** Memory use above which handshakes are refused with 503. Default: 85 (1…100 percent). */
  refuseMemoryPercent?: number | undefined;
  /**
   * Memory use above which connections without a namespace are closed too, then idle long-polling
   * ones.
   * Default: 90 (1…100 percent).
   */
  idleMemoryPercent?: number | undefined;
  /**
   * Memory use above which the connections with the most unsent or unfinished bytes are closed too.
   * Default: 95 (1…100 percent).
   */
  slowMemoryPercent?: number | undefined;
  /**
   * Resident memory that counts as 100 percent; 0 takes the limit of the container, or the memory
   * of the machine.
   * Default: 0 (0…1099511627776 bytes).
   */
  memoryBytesMax?: number | undefined;
  /** Samples in a row below 80 % of a stage's threshold that end the stage. Default: 6 (1…1000). */
  calmSamples?: number | undefined;
  /** Connections closed per sample in the closing stages. Default: 100 (1…100000). */
  closesPerSample?: number | undefined;
  /**
   * How long a client may send nothing before its connection counts as idle.
   * Default: 10000 (100…3600000 milliseconds).
   */
  idleMs?: number | undefined;
  /**
   * `Retry-After` for clients that are refused because of overload.
   * Default: 5000 (1000…3600000 milliseconds).
   */
  retryAfterMs?: number | undefined;
}

/** Packet encodings and the limits of one packet. */
interface PartialCodecSettings {
  /** Codecs that clients may use. Default: "both". */
  accept?: "both" | "msgpack" | "json" | undefined;
  /** How deep the data of a packet may nest. Default: 32 (2…1000). */
  depthMax?: number | undefined;
  /** Values in one packet, nested ones included. Default: 100000 (16…10000000). */
  elementsMax?: number | undefined;
  /** Length of an event or namespace name, in bytes. Default: 256 (16…65536 bytes). */
  nameBytesMax?: number | undefined;
  /** Binary values in one packet, in either codec. Default: 10 (1…1000). */
  attachmentsMax?: number | undefined;
  /**
   * Size of a CONNECT in bytes, its token included. Also holds for any packet that arrives before
   * the first CONNECT is answered.
   * Default: 16384 (256…1048576 bytes).
   */
  connectBytesMax?: number | undefined;
  /** Values in the auth of a CONNECT, nested ones included. Default: 256 (8…100000). */
  connectElementsMax?: number | undefined;
  /** How deep the auth of a CONNECT may nest. Default: 8 (1…1000). */
  connectDepthMax?: number | undefined;
}

/** Broadcasts and commands. */
interface PartialFanoutSettings {
  /**
   * Acknowledgements that broadcasts and emitWithAck commands may wait for at once. Above, a
   * broadcast is not sent and times out, and a command is refused.
   * Default: 1000000 (1…100000000).
   */
  acksPendingMax?: number | undefined;
  /**
   * Combinations of rooms that broadcasts often address together get a topic of their own. This
   * bounds the members of all these topics, each room of a combination counting as one more; 0
   * creates none.
   * Default: 100000 (0…10000000).
   */
  unionMembersMax?: number | undefined;
  /** Sockets one emitWithAck command may wait for. Default: 10000 (1…1000000). */
  ackSocketsMax?: number | undefined;
  /**
   * Sockets that the fetchSockets and emitWithAck commands of one request may look through, before
   * its next one is refused. On a stream, each line with fetchSockets counts by itself.
   * Default: 20000 (1…100000000).
   */
  requestSocketsMax?: number | undefined;
  /**
   * Sockets that all lists and acknowledgements together hold in memory until their requests are
   * answered; above, lists are refused.
   * Default: 200000 (1…100000000).
   */
  listedSocketsMax?: number | undefined;
  /**
   * Requests for lists of sockets or rooms that may wait in the queue; above, they are refused.
   * Default: 1000 (1…1000000).
   */
  listsWaitingMax?: number | undefined;
  /**
   * Commands that are kept for one socket until its connect call is answered.
   * Default: 100 (1…10000).
   */
  heldCommandsMax?: number | undefined;
  /**
   * Commands with afterMs that may wait, over all nodes with Redis, else in this one; above, they
   * are refused.
   * Default: 100000 (0…10000000).
   */
  delayedMax?: number | undefined;
  /**
   * Size of the commands with afterMs that wait, in bytes of JSON.
   * Default: 67108864 (0…17179869184 bytes).
   */
  delayedBytesMax?: number | undefined;
}

/** Connection state recovery. */
interface PartialRecoverySettings {
  /**
   * How long after a connection was lost its session can be resumed; 0 turns recovery off.
   * Default: 0 (0…3600000 milliseconds).
   */
  windowMs?: number | undefined;
  /** Sessions of lost connections that are kept for recovery. Default: 100000 (1…10000000). */
  sessionsMax?: number | undefined;
  /**
   * Latest joins and leaves that are remembered for one socket. A client that has missed packets
   * from before the oldest of them is not recovered.
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
   * Size of one session (rooms and `data`) in bytes; a larger one is not recovered.
   * Default: 65536 (1024…16777216 bytes).
   */
  sessionBytesMax?: number | undefined;
  /**
   * With Redis or workers: how often the `data` of connected sockets is stored, so that clients can
   * be recovered when their node or worker dies. 0 stores nothing; these clients are then not
   * recovered.
   * Default: 5000 (0…600000 milliseconds).
   */
  checkpointMs?: number | undefined;
}

/** The module that handles events in the process. */
interface PartialHandlersSettings {
  /**
   * Path of a module whose default export is `(io) => void`.
   * Default: none (at most 4096 characters).
   */
  module?: string | undefined;
  /**
   * What happens when a handler throws or rejects: a log line, or the end of the process.
   * Default: "log".
   */
  onError?: "log" | "exit" | undefined;
}

/** The application's own HTTP handler, beside Socket.IO on the same port. */
interface PartialHttpSettings {
  /** Largest request body in bytes. Default: 10485760 (0…1073741824 bytes). */
  bodyBytesMax?: number | undefined;
  /**
   * How long a request body may take to arrive, with the time that the handler takes to read it.
   * Default: 60000 (100…3600000 milliseconds).
   */
  bodyMs?: number | undefined;
  /**
   * How long the handler may take until its response begins; a response that is streamed may last
   * longer.
   * Default: 60000 (100…3600000 milliseconds).
   */
  answerMs?: number | undefined;
  /** Requests that may be open at once; above, further ones get 503. Default: 10000 (1…1000000). */
  requestsMax?: number | undefined;
}

/** Which calls go to which function. */
interface PartialUpstreamRoutesSettings {
  /** Name of the route in metrics, logs and dead letters. Default: its namespace and event. */
  name?: string | undefined;
  /** Namespace; * matches any characters. Default: "/" (at most 256 characters). */
  namespace?: string | undefined;
  /**
   * Event; * matches any characters. `connect` and `disconnect` are those calls.
   * Default: "*" (at most 256 characters).
   */
  event?: string | undefined;
  /** URL of the function. */
  url: string;
  /**
   * Whether events without ack go out in batches; the function must expect them. Default:
   * upstream.batch.
   */
  batch?: boolean | undefined;
  /** Whether calls contain the rooms of the socket. Default: upstream.rooms. */
  rooms?: boolean | undefined;
  /**
   * Whether calls contain how many sockets are in each room of the socket. Default:
   * upstream.presence.
   */
  presence?: boolean | undefined;
  /**
   * Whether the function is told after a client has joined, whatever `event` is. Default: false.
   */
  connected?: boolean | undefined;
}

/** Calls to functions: routes, timeouts, queues and retries. */
interface PartialUpstreamSettings {
  /**
   * URL of the function that is called when no route matches; empty calls none.
   * Default: none (at most 4096 characters).
   */
  url?: string | undefined;
  /**
   * List of {name, namespace, event, url, batch, rooms, presence, connected}: the first that
   * matches is called.
   * Default: none (at most 1000).
   */
  routes?: PartialUpstreamRoutesSettings[] | undefined;
  /**
   * Namespaces for which upstream.url is called; * matches any characters.
   * Default: ["/"] (at most 1000).
   */
  namespaces?: string[] | undefined;
  /**
   * Which calls upstream.url gets: connect, connected, event, disconnect.
   * Default: ["connect","event","disconnect"].
   */
  calls?: ("connect" | "connected" | "event" | "disconnect")[] | undefined;
  /**
   * Signing secrets (whsec_…), the newest first; each call is signed with all of them.
   * Default: none (never printed).
   */
  secrets?: string[] | undefined;
  /** Whether functions on other machines may be called over plain HTTP. Default: false. */
  insecure?: boolean | undefined;
  /**
   * How long a call may take. For an event with an ack, its time in the queue counts too.
   * Default: 10000 (10…300000 milliseconds).
   */
  timeoutMs?: number | undefined;
  /**
   * How long a connect call may take, including its time in the queue.
   * Default: 5000 (10…300000 milliseconds).
   */
  connectTimeoutMs?: number | undefined;
  /**
   * Size of a function's answer in bytes, after decompression.
   * Default: 1048576 (256…67108864 bytes).
   */
  answerBytesMax?: number | undefined;
  /**
   * Size of a socket's `data`, in bytes of JSON, after an answer has changed it.
   * Default: 16384 (1024…1048576 bytes).
   */
  dataBytesMax?: number | undefined;
  /** Whether calls contain the rooms of the socket. Default: false. */
  rooms?: boolean | undefined;
  /**
   * Whether calls contain how many sockets, over all nodes, are in each room of the socket.
   * Default: false.
   */
  presence?: boolean | undefined;
  /**
   * How long the room sizes of other nodes are cached, for routes with presence.
   * Default: 1000 (10…60000 milliseconds).
   */
  presenceMs?: number | undefined;
  /**
   * Calls that may be open at once, per origin. Each uses one connection.
   * Default: 128 (1…10000).
   */
  inflightMax?: number | undefined;
  /**
   * Events and connects that may wait in the queue, over all sockets.
   * Default: 100000 (1…10000000).
   */
  queueMax?: number | undefined;
  /**
   * Bytes that may wait in the queue, over all sockets.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  queueBytesMax?: number | undefined;
  /** Events of one socket that may wait in the queue. Default: 100 (1…100000). */
  socketQueueMax?: number | undefined;
  /**
   * What happens when the queue of a socket, or the whole queue, is full. refuse: events get an
   * error. pause: the connection is not read until there is room. close: the connection is closed.
   * Default: "refuse".
   */
  full?: "refuse" | "pause" | "close" | undefined;
  /**
   * With upstream.full: pause, bytes of one socket's events that are accepted above the limits,
   * because they had been read already. For all sockets together, the bound is
   * upstream.queueBytesMax. Above, the connection is closed.
   * Default: 16777216 (65536…1073741824 bytes).
   */
  pausedBytesMax?: number | undefined;
  /**
   * Where calls without a waiting client, and dead letters, are kept until a function has answered.
   * In Redis they outlive the process. auto: in Redis if cluster.redisUrl is set.
   * Default: "auto".
   */
  durable?: "auto" | "redis" | "memory" | undefined;
  /**
   * What happens to events without ack while Redis should keep them and is away: they are kept in
   * memory only, or refused.
   * Default: "memory".
   */
  away?: "memory" | "refuse" | undefined;
  /** Attempts for an event without ack, or for a disconnect. Default: 1000 (1…10000). */
  attemptsMax?: number | undefined;
  /**
   * How long after the first attempt an event without ack, or a disconnect, is retried; 0: ten
   * minutes if calls are kept in Redis, else three seconds.
   * Default: 0 (0…86400000 milliseconds).
   */
  retryForMs?: number | undefined;
  /**
   * Longest wait before the first retry; it doubles with each retry.
   * Default: 200 (1…60000 milliseconds).
   */
  retryMs?: number | undefined;
  /** Longest wait before any retry. Default: 10000 (1…3600000 milliseconds). */
  retryMsMax?: number | undefined;
  /**
   * Retries, in percent of an origin's calls; ten a second are always allowed.
   * Default: 20 (0…1000 percent).
   */
  retryBudgetPercent?: number | undefined;
  /**
   * Percentage of failed calls at which an origin's circuit breaker opens.
   * Default: 50 (1…100 percent).
   */
  breakerPercent?: number | undefined;
  /**
   * Calls in a window that are needed before upstream.breakerPercent applies.
   * Default: 20 (1…100000).
   */
  breakerCallsMin?: number | undefined;
  /** Window in which the circuit breaker counts calls. Default: 10000 (100…600000 milliseconds). */
  breakerWindowMs?: number | undefined;
  /**
   * How long a circuit breaker stays open before one call tests the origin.
   * Default: 5000 (10…600000 milliseconds).
   */
  breakerOpenMs?: number | undefined;
  /**
   * Longest Retry-After of a function that is followed.
   * Default: 60000 (1000…3600000 milliseconds).
   */
  retryAfterMsMax?: number | undefined;
  /**
   * How long a route is not called after its function answered 410; then one call tests it.
   * Default: 600000 (1000…86400000 milliseconds).
   */
  goneMs?: number | undefined;
  /** Whether upstream.url gets events without ack in batches. Default: false. */
  batch?: boolean | undefined;
  /** Events in one batch. Default: 100 (1…10000). */
  batchMax?: number | undefined;
  /**
   * Size of one batch in bytes; a single event may be larger.
   * Default: 1048576 (1024…67108864 bytes).
   */
  batchBytesMax?: number | undefined;
  /** How long a batch waits for more events. Default: 10 (1…60000 milliseconds). */
  batchMs?: number | undefined;
  /** Dead letters that are kept: events whose last attempt failed. Default: 1000 (0…1000000). */
  deadLettersMax?: number | undefined;
  /** Size of the dead letters that are kept, in bytes. Default: 16777216 (0…4294967296 bytes). */
  deadLetterBytesMax?: number | undefined;
  /** How long dead letters are kept. Default: 604800000 (1000…31536000000 milliseconds). */
  deadLetterAgeMs?: number | undefined;
  /**
   * How long queued calls may still go out while the gateway stops.
   * Default: 5000 (0…600000 milliseconds).
   */
  drainMs?: number | undefined;
}

/** The gateway's own HTTP routes, and who may use them. */
interface PartialApiSettings {
  /**
   * Separate port for metrics, health and commands; 0 serves them on socket.port.
   * Default: 0 (0…65535).
   */
  port?: number | undefined;
  /** Address the API port listens on. Default: "0.0.0.0" (at most 4096 characters). */
  host?: string | undefined;
  /**
   * API keys: `id:secret`, or `id:secret:commands:namespaces` with `+` between names. `*` means
   * all; at the end of a namespace it matches any characters. `deadLetters` and `console` are
   * rights like commands. Callers send the secret alone.
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
   * `aud` that tokens for the API must have, so that tokens of clients are not accepted.
   * Default: "sluice-api" (at most 1024 characters).
   */
  jwtAudience?: string | undefined;
  /**
   * Size of a request body in bytes, after decompression; for NDJSON, of one line.
   * Default: 1048576 (1024…104857600 bytes).
   */
  bodyBytesMax?: number | undefined;
  /**
   * How long a body may take to arrive, and how long a stream may stand still in either direction.
   * Default: 5000 (100…60000 milliseconds).
   */
  bodyMs?: number | undefined;
  /** Request bodies and streams that may be open at once. Default: 256 (1…100000). */
  bodiesMax?: number | undefined;
  /**
   * Bytes of all request bodies that are arriving; as many again while keys and tokens are checked.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  bodiesBytesMax?: number | undefined;
  /**
   * How long a repeated Idempotency-Key gets the first answer.
   * Default: 600000 (1000…86400000 milliseconds).
   */
  idempotencyMs?: number | undefined;
  /**
   * Bytes of answers that are kept for Idempotency-Keys; above, new keys are refused.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  idempotencyBytesMax?: number | undefined;
}

/** The console, a live page in the browser. */
interface PartialConsoleSettings {
  /**
   * Whether `/console` is served on the API port. It needs a key in `api.keys` with the right
   * `console`, or tokens for the API. Without either it is served in development only, with a key
   * in the link that is printed at start.
   * Default: true.
   */
  enabled?: boolean | undefined;
  /**
   * How far back the charts go, with one sample a second.
   * Default: 900000 (60000…86400000 milliseconds).
   */
  historyMs?: number | undefined;
  /** Live streams that may be open at once, over all viewers. Default: 16 (1…1000). */
  streamsMax?: number | undefined;
  /**
   * Whether the events of a socket or room can be watched. auto: only in development, which means
   * the `sluice` process without `NODE_ENV=production`.
   * Default: "auto".
   */
  watch?: "auto" | "on" | "off" | undefined;
  /**
   * Watched events that one stream gets per second; those above are only counted.
   * Default: 100 (1…10000).
   */
  watchPerSecondMax?: number | undefined;
  /**
   * Whether watched events show their arguments, or only the type and size of each.
   * Default: "shown".
   */
  watchArguments?: "shown" | "masked" | undefined;
}

/** Other nodes, connected by Redis, and workers on this machine. */
interface PartialClusterSettings {
  /**
   * URL of the Redis that connects the nodes: redis://…, redis+sentinel://host:port,…/master or
   * redis+cluster://host:port,…; with TLS, rediss instead of redis. Empty: a single node.
   * Default: none (never printed).
   */
  redisUrl?: string | undefined;
  /**
   * File with the CA certificates for Redis, in PEM; empty: the usual ones.
   * Default: none (at most 4096 characters).
   */
  redisCaFile?: string | undefined;
  /**
   * File with this node's certificate for Redis, in PEM; empty: none.
   * Default: none (at most 4096 characters).
   */
  redisCertFile?: string | undefined;
  /**
   * File with the private key of cluster.redisCertFile, in PEM.
   * Default: none (at most 4096 characters).
   */
  redisKeyFile?: string | undefined;
  /**
   * Host name that the certificate of Redis must have; empty: the host of the URL.
   * Default: none (at most 4096 characters).
   */
  redisServerName?: string | undefined;
  /**
   * How nodes reach each other: streams, or pubsub to share Redis with other Socket.IO servers and
   * emitters. pubsub has neither recovery nor cluster.busKey.
   * Default: "streams".
   */
  adapter?: "streams" | "pubsub" | undefined;
  /** Prefix of every key and channel in Redis. Default: "sluice" (at most 4096 characters). */
  prefix?: string | undefined;
  /** Packets that the log of a namespace keeps, approximately. Default: 10000 (100…10000000). */
  streamPacketsMax?: number | undefined;
  /**
   * Bytes of one namespace's packets that may be held in memory while older packets are read.
   * Default: 67108864 (65536…1073741824 bytes).
   */
  heldBytesMax?: number | undefined;
  /**
   * What happens at start if Redis cannot be reached: fail ends with an error, wait waits for it.
   * Default: "fail".
   */
  startup?: "fail" | "wait" | undefined;
  /**
   * How long Redis may take to answer before it counts as away.
   * Default: 2000 (50…60000 milliseconds).
   */
  timeoutMs?: number | undefined;
  /**
   * What happens to commands over HTTP while Redis is away: they are refused with 503, or carried
   * out on this node only.
   * Default: "refuse".
   */
  away?: "refuse" | "local" | undefined;
  /**
   * Largest message accepted from other nodes, in bytes.
   * Default: 4194304 (1024…536870912 bytes).
   */
  messageBytesMax?: number | undefined;
  /**
   * Key that signs messages between nodes. If set, unsigned, foreign and repeated messages are
   * refused.
   * Default: none (never printed).
   */
  busKey?: string | undefined;
  /**
   * How long a node may be silent before the others consider it dead.
   * Default: 15000 (500…600000 milliseconds).
   */
  leaseMs?: number | undefined;
  /**
   * Messages of all namespaces that may wait for Redis or the primary to confirm them; as many
   * other commands may wait too.
   * Default: 10000 (1…1000000).
   */
  pendingMax?: number | undefined;
  /** Requests to other nodes that may be open, per namespace. Default: 1000 (1…100000). */
  requestsMax?: number | undefined;
  /** How long other nodes may take to answer a request. Default: 5000 (100…60000 milliseconds). */
  requestTimeoutMs?: number | undefined;
  /**
   * Processes that share the port; `auto`: one per core. 0: this process alone. Only the command
   * `sluice` starts them.
   * Default: "0" (matches `^(auto|\d{1,3})$`).
   */
  workers?: string | undefined;
}

/** The metrics route. */
interface PartialMetricsSettings {
  /** URL path that Prometheus scrapes. Default: "/metrics" (matches `^/[\w\-./]*$`). */
  path?: string | undefined;
  /** Whether Node.js' own process metrics are exported too. Default: true. */
  defaults?: boolean | undefined;
}

/** Traces of events, calls and commands, for an OpenTelemetry collector. */
interface PartialTraceSettings {
  /**
   * URL of an OpenTelemetry collector (OTLP over HTTP); without a path, /v1/traces is used. Empty:
   * no traces.
   * Default: none (at most 4096 characters).
   */
  otlpUrl?: string | undefined;
  /**
   * Headers of each export, as `name=value`, such as credentials for the collector.
   * Default: none (never printed).
   */
  headers?: string[] | undefined;
  /**
   * Share of the traces that begin in Sluice and are exported. A trace that arrives with a context
   * keeps the decision of its caller.
   * Default: 1 (0…1).
   */
  sampleRatio?: number | undefined;
  /**
   * Whether trace contexts from clients are continued; if not, each of their events and connects
   * begins a new trace.
   * Default: true.
   */
  fromClients?: boolean | undefined;
  /** `service.name` of the spans. Default: "sluice" (at most 256 characters). */
  serviceName?: string | undefined;
  /**
   * Spans that may wait for the collector; spans above are dropped and counted.
   * Default: 2048 (1…100000).
   */
  queueMax?: number | undefined;
  /** Spans in one export. Default: 512 (1…10000). */
  batchMax?: number | undefined;
  /** How long an export waits for more spans. Default: 1000 (1…60000 milliseconds). */
  batchMs?: number | undefined;
  /**
   * How long an export may take, retries included; a stop waits as long for the last ones.
   * Default: 5000 (100…60000 milliseconds).
   */
  timeoutMs?: number | undefined;
}

/** Log lines. */
interface PartialLogSettings {
  /**
   * Lowest level that is written; debug also logs every connection, join, leave and close.
   * Default: "info".
   */
  level?: "debug" | "info" | "warn" | "error" | "silent" | undefined;
  /**
   * How a line is written: as JSON, or as text for people. auto: text in a terminal, else JSON.
   * Default: "auto".
   */
  format?: "auto" | "json" | "text" | undefined;
  /**
   * Bytes of log lines that may wait while standard output is slow; lines above are dropped and
   * counted.
   * Default: 1048576 (0…1073741824 bytes).
   */
  bufferBytesMax?: number | undefined;
}

/** Any part of the settings, as a caller may give them. */
export interface PartialSettings {
  /** Connections: where they are accepted, how much each may buffer, when they are closed. */
  socket?: PartialSocketSettings | undefined;
  /** Authentication: how a client's token is checked and what it grants. */
  auth?: PartialAuthSettings | undefined;
  /**
   * Limits on clients, counted per process. A rate of 0 means no limit; a burst is at least one
   * second of its rate.
   */
  limits?: PartialLimitsSettings | undefined;
  /**
   * Overload protection: when it starts, and how much it closes at once. Each sample changes the
   * stage by at most one.
   */
  overload?: PartialOverloadSettings | undefined;
  /** Packet encodings and the limits of one packet. */
  codec?: PartialCodecSettings | undefined;
  /** Broadcasts and commands. */
  fanout?: PartialFanoutSettings | undefined;
  /** Connection state recovery. */
  recovery?: PartialRecoverySettings | undefined;
  /** The module that handles events in the process. */
  handlers?: PartialHandlersSettings | undefined;
  /** The application's own HTTP handler, beside Socket.IO on the same port. */
  http?: PartialHttpSettings | undefined;
  /** Calls to functions: routes, timeouts, queues and retries. */
  upstream?: PartialUpstreamSettings | undefined;
  /** The gateway's own HTTP routes, and who may use them. */
  api?: PartialApiSettings | undefined;
  /** The console, a live page in the browser. */
  console?: PartialConsoleSettings | undefined;
  /** Other nodes, connected by Redis, and workers on this machine. */
  cluster?: PartialClusterSettings | undefined;
  /** The metrics route. */
  metrics?: PartialMetricsSettings | undefined;
  /** Traces of events, calls and commands, for an OpenTelemetry collector. */
  trace?: PartialTraceSettings | undefined;
  /** Log lines. */
  log?: PartialLogSettings | undefined;
}

/** TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS. */
interface SocketTlsSettings {
  /**
   * File with the certificate and its chain, in PEM. If set, the port speaks TLS.
   * Default: none (at most 4096 characters).
   */
  certFile: string;
  /** File with the certificate's private key, in PEM. Default: none (at most 4096 characters). */
  keyFile: string;
  /** Passphrase of the private key. Default: none (never printed). */
  passphrase: string;
}

/** Connections: where they are accepted, how much each may buffer, when they are closed. */
interface SocketSettings {
  /** Address the gateway listens on. Default: "0.0.0.0" (at most 4096 characters). */
  host: string;
  /** Port the gateway listens on; 0 picks a free one. Default: 3000 (0…65535). */
  port: number;
  /** URL path of the Socket.IO endpoint. Default: "/socket.io/" (matches `^/[\w\-./]*$`). */
  path: string;
  /** Whether Socket.IO's client bundles are served below socket.path. Default: false. */
  serveClient: boolean;
  /** Transports clients may use. Default: ["polling","websocket"]. */
  transports: ("polling" | "websocket")[];
  /** Whether Engine.IO 3 clients (Socket.IO 2) may connect. Default: false. */
  allowEio3: boolean;
  /** Time between two heartbeats. Default: 25000 (100…86400000 milliseconds). */
  pingIntervalMs: number;
  /**
   * How long a client may take to answer a heartbeat.
   * Default: 20000 (100…86400000 milliseconds).
   */
  pingTimeoutMs: number;
  /** How long an upgrade from polling may take. Default: 10000 (100…600000 milliseconds). */
  upgradeTimeoutMs: number;
  /**
   * How long a client may take to join its first namespace, before its connection is closed;
   * checked once a second.
   * Default: 45000 (100…600000 milliseconds).
   */
  connectTimeoutMs: number;
  /** Largest packet a client may send, in bytes. Default: 1000000 (1024…100000000 bytes). */
  packetBytesMax: number;
  /**
   * Unsent bytes above which a connection is closed as slow_consumer.
   * Default: 1048576 (16384…1073741824 bytes).
   */
  bufferBytesMax: number;
  /**
   * How long unsent bytes may make no progress before the connection is closed as slow_consumer.
   * Default: 10000 (100…3600000 milliseconds).
   */
  stallMsMax: number;
  /**
   * Time over which a stopping gateway closes its connections, in waves with jitter.
   * Default: 10000 (0…3600000 milliseconds).
   */
  drainMs: number;
  /**
   * Age at which a connection is closed so that its client reconnects, up to a tenth less at
   * random; 0 turns this off.
   * Default: 0 (0…2592000000 milliseconds).
   */
  connectionAgeMaxMs: number;
  /**
   * Origins of other hosts whose pages may connect, over long-polling (CORS) and WebSocket:
   * `https://a.example`, `https://*.a.example`; `*` allows all.
   * Default: none (at most 1000).
   */
  origins: string[];
  /**
   * Whether clients that send no Origin header may connect; browsers always send one.
   * Default: true.
   */
  originless: boolean;
  /**
   * Proxies whose X-Forwarded-For is trusted: CIDRs, `loopback`, `private`; or one number of hops.
   * Default: none (at most 1000).
   */
  trustProxy: string[];
  /**
   * Whether the client's address is taken from the PROXY protocol v2; only behind a proxy that
   * always sends it.
   * Default: false.
   */
  proxyProtocol: boolean;
  /**
   * Whether Sluice compares a page's origin with X-Forwarded-Host instead of Host.
   * Default: false.
   */
  forwardedHost: boolean;
  /** TLS of the gateway itself. Without files there is none; a proxy in front may terminate TLS. */
  tls: SocketTlsSettings;
}

/** Authentication: how a client's token is checked and what it grants. */
interface AuthSettings {
  /**
   * How clients are authenticated: not at all, by a JSON Web Token, or by the connect call to a
   * function.
   * Default: "none".
   */
  mode: "none" | "jwt" | "upstream";
  /** Shared secret of HS256/384/512 tokens, at least 32 bytes. Default: none (never printed). */
  secret: string;
  /**
   * Public key (or certificate) in PEM, or the path of a file with it.
   * Default: none (at most 4096 characters).
   */
  publicKey: string;
  /**
   * URL of a JSON Web Key Set: https, or http on loopback.
   * Default: none (at most 4096 characters).
   */
  jwksUrl: string;
  /**
   * Accepted signature algorithms; empty accepts those that fit the kind of key, never `none`.
   * Default: none (at most 1000).
   */
  algorithms: string[];
  /** Accepted `iss` values; empty accepts any. Default: none (at most 1000). */
  issuer: string[];
  /** Accepted `aud` values; empty accepts any. Default: none (at most 1000). */
  audience: string[];
  /** Clock difference tolerated in `exp` and `nbf`. Default: 5000 (0…300000 milliseconds). */
  clockToleranceMs: number;
  /**
   * Where the token is read from, in this order: the auth of CONNECT, a header, the query.
   * Default: ["auth"].
   */
  tokenFrom: ("auth" | "header" | "query")[];
  /**
   * Key of the token in CONNECT's auth object and in the query.
   * Default: "token" (at most 4096 characters).
   */
  tokenName: string;
  /**
   * Header of the token; a `Bearer ` prefix is removed.
   * Default: "authorization" (at most 4096 characters).
   */
  tokenHeader: string;
  /** Longest token that is accepted, in bytes. Default: 8192 (256…65536 bytes). */
  tokenBytesMax: number;
  /**
   * Claim that names the user; a token without it is refused.
   * Default: "sub" (at most 4096 characters).
   */
  userClaim: string;
  /**
   * Claim with the rooms to join on connecting, a list of strings.
   * Default: "rooms" (at most 4096 characters).
   */
  roomsClaim: string;
  /**
   * Patterns of the rooms that auth.roomsClaim may grant; `*` matches any characters. Empty grants
   * none.
   * Default: none (at most 1000).
   */
  roomsAllowed: string[];
  /**
   * How long before its token expires a client gets `token_expiring`; 0 sends none.
   * Default: 60000 (0…3600000 milliseconds).
   */
  expiryWarningMs: number;
  /** Age at which the key set is fetched again. Default: 600000 (1000…86400000 milliseconds). */
  jwksCacheMs: number;
  /**
   * How long after auth.jwksCacheMs an old key set is still used, if fetching a new one fails.
   * Default: 3600000 (0…86400000 milliseconds).
   */
  jwksStaleMs: number;
  /**
   * Minimum time between two fetches of the key set, even if tokens name unknown keys.
   * Default: 30000 (100…3600000 milliseconds).
   */
  jwksCooldownMs: number;
  /** How long a fetch of the key set may take. Default: 5000 (100…60000 milliseconds). */
  jwksTimeoutMs: number;
  /** Largest key set that is read, in bytes. Default: 262144 (1024…16777216 bytes). */
  jwksBytesMax: number;
}

/**
 * Limits on clients, counted per process. A rate of 0 means no limit; a burst is at least one
 * second of its rate.
 */
interface LimitsSettings {
  /** Open connections of this process. Default: 1000000 (1…10000000). */
  connectionsMax: number;
  /** Open connections per client address (IPv6: per /64). Default: 50000 (1…10000000). */
  addressConnectionsMax: number;
  /**
   * Open long-polling connections; each holds at most two requests.
   * Default: 100000 (1…10000000).
   */
  pollingConnectionsMax: number;
  /**
   * Open connections that have joined no namespace yet. Each may hold an unfinished message of up
   * to socket.packetBytesMax.
   * Default: 10000 (1…10000000).
   */
  outsideMax: number;
  /** Handshakes per second, from all clients. Default: 5000 (0…1000000000). */
  handshakesPerSecond: number;
  /** Handshakes that may come at once, from all clients. Default: 10000 (0…1000000000). */
  handshakesBurst: number;
  /** Handshakes per second and client address. Default: 1000 (0…1000000000). */
  addressHandshakesPerSecond: number;
  /** Handshakes per client address that may come at once. Default: 5000 (0…1000000000). */
  addressHandshakesBurst: number;
  /**
   * Client addresses whose handshake rate is tracked; the least recently seen is dropped first.
   * Default: 100000 (16…10000000).
   */
  addressesMax: number;
  /** Longest URL query of a request, in bytes. Default: 2048 (64…65536 bytes). */
  queryBytesMax: number;
  /**
   * Parameters in a request's query. While the connection is open, each takes many times its bytes
   * in memory.
   * Default: 100 (8…10000).
   */
  queryParametersMax: number;
  /**
   * Total size of a request's header names and values, in bytes.
   * Default: 16384 (256…1048576 bytes).
   */
  headerBytesMax: number;
  /** Packets per second and connection. Default: 1000 (0…1000000000). */
  eventsPerSecond: number;
  /** Packets per connection that may come at once. Default: 10000 (0…1000000000). */
  eventsBurst: number;
  /** Bytes per second and connection. Default: 8388608 (0…1000000000 bytes). */
  bytesPerSecond: number;
  /** Bytes per connection that may come at once. Default: 67108864 (0…1000000000 bytes). */
  bytesBurst: number;
  /**
   * What happens above a rate. refuse: each event is refused, and the connection is closed once it
   * is a whole burst above. close: the connection is closed at once.
   * Default: "refuse".
   */
  overRate: "refuse" | "close";
  /** Rooms one socket may be in, besides its own. Default: 1000 (1…1000000). */
  roomsMax: number;
  /** Longest name of a room, in UTF-8 bytes. Default: 256 (8…65536 bytes). */
  roomBytesMax: number;
  /** Namespaces that one connection may have joined or be joining. Default: 10 (1…10000). */
  namespacesMax: number;
  /**
   * Namespaces of this process. At this number, clients cannot create more by connecting to a new
   * name.
   * Default: 10000 (1…10000000).
   */
  dynamicNamespacesMax: number;
  /**
   * Acknowledgements that one socket may still have to send; above, its connection is closed.
   * Default: 10000 (1…10000000).
   */
  acksPendingMax: number;
}

/**
 * Overload protection: when it starts, and how much it closes at once. Each sample changes the
 * stage by at most one.
 */
interface OverloadSettings {
  /** Whether overload protection is on. Default: true. */
  enabled: boolean;
  /**
   * Time between two samples of event-loop lag and memory.
   * Default: 500 (10…60000 milliseconds).
   */
  sampleMs: number;
  /**
   * Event-loop lag above which handshakes are refused with 503.
   * Default: 500 (1…60000 milliseconds).
   */
  refuseLagMs: number;
  /**
   * Event-loop lag above which idle long-polling connections are closed too.
   * Default: 1000 (1…60000 milliseconds).
   */
  idleLagMs: number;
  /**
   * Event-loop lag above which the connections with the most unsent or unfinished bytes are closed
   * too.
   * Default: 2000 (1…60000 milliseconds).
   */
  slowLagMs: number;
  /** Memory use above which handshakes are refused with 503. Default: 85 (1…100 percent). */
  refuseMemoryPercent: number;
  /**
   * Memory use above which connections without a namespace are closed too, then idle long-polling
   * ones.
   * Default: 90 (1…100 percent).
   */
  idleMemoryPercent: number;
  /**
   * Memory use above which the connections with the most unsent or unfinished bytes are closed too.
   * Default: 95 (1…100 percent).
   */
  slowMemoryPercent: number;
  /**
   * Resident memory that counts as 100 percent; 0 takes the limit of the container, or the memory
   * of the machine.
   * Default: 0 (0…1099511627776 bytes).
   */
  memoryBytesMax: number;
  /** Samples in a row below 80 % of a stage's threshold that end the stage. Default: 6 (1…1000). */
  calmSamples: number;
  /** Connections closed per sample in the closing stages. Default: 100 (1…100000). */
  closesPerSample: number;
  /**
   * How long a client may send nothing before its connection counts as idle.
   * Default: 10000 (100…3600000 milliseconds).
   */
  idleMs: number;
  /**
   * `Retry-After` for clients that are refused because of overload.
   * Default: 5000 (1000…3600000 milliseconds).
   */
  retryAfterMs: number;
}

/** Packet encodings and the limits of one packet. */
interface CodecSettings {
  /** Codecs that clients may use. Default: "both". */
  accept: "both" | "msgpack" | "json";
  /** How deep the data of a packet may nest. Default: 32 (2…1000). */
  depthMax: number;
  /** Values in one packet, nested ones included. Default: 100000 (16…10000000). */
  elementsMax: number;
  /** Length of an event or namespace name, in bytes. Default: 256 (16…65536 bytes). */
  nameBytesMax: number;
  /** Binary values in one packet, in either codec. Default: 10 (1…1000). */
  attachmentsMax: number;
  /**
   * Size of a CONNECT in bytes, its token included. Also holds for any packet that arrives before
   * the first CONNECT is answered.
   * Default: 16384 (256…1048576 bytes).
   */
  connectBytesMax: number;
  /** Values in the auth of a CONNECT, nested ones included. Default: 256 (8…100000). */
  connectElementsMax: number;
  /** How deep the auth of a CONNECT may nest. Default: 8 (1…1000). */
  connectDepthMax: number;
}

/** Broadcasts and commands. */
interface FanoutSettings {
  /**
   * Acknowledgements that broadcasts and emitWithAck commands may wait for at once. Above, a
   * broadcast is not sent and times out, and a command is refused.
   * Default: 1000000 (1…100000000).
   */
  acksPendingMax: number;
  /**
   * Combinations of rooms that broadcasts often address together get a topic of their own. This
   * bounds the members of all these topics, each room of a combination counting as one more; 0
   * creates none.
   * Default: 100000 (0…10000000).
   */
  unionMembersMax: number;
  /** Sockets one emitWithAck command may wait for. Default: 10000 (1…1000000). */
  ackSocketsMax: number;
  /**
   * Sockets that the fetchSockets and emitWithAck commands of one request may look through, before
   * its next one is refused. On a stream, each line with fetchSockets counts by itself.
   * Default: 20000 (1…100000000).
   */
  requestSocketsMax: number;
  /**
   * Sockets that all lists and acknowledgements together hold in memory until their requests are
   * answered; above, lists are refused.
   * Default: 200000 (1…100000000).
   */
  listedSocketsMax: number;
  /**
   * Requests for lists of sockets or rooms that may wait in the queue; above, they are refused.
   * Default: 1000 (1…1000000).
   */
  listsWaitingMax: number;
  /**
   * Commands that are kept for one socket until its connect call is answered.
   * Default: 100 (1…10000).
   */
  heldCommandsMax: number;
  /**
   * Commands with afterMs that may wait, over all nodes with Redis, else in this one; above, they
   * are refused.
   * Default: 100000 (0…10000000).
   */
  delayedMax: number;
  /**
   * Size of the commands with afterMs that wait, in bytes of JSON.
   * Default: 67108864 (0…17179869184 bytes).
   */
  delayedBytesMax: number;
}

/** Connection state recovery. */
interface RecoverySettings {
  /**
   * How long after a connection was lost its session can be resumed; 0 turns recovery off.
   * Default: 0 (0…3600000 milliseconds).
   */
  windowMs: number;
  /** Sessions of lost connections that are kept for recovery. Default: 100000 (1…10000000). */
  sessionsMax: number;
  /**
   * Latest joins and leaves that are remembered for one socket. A client that has missed packets
   * from before the oldest of them is not recovered.
   * Default: 50 (0…10000).
   */
  roomChangesMax: number;
  /** Packets kept for recovery, over all namespaces. Default: 10000 (1…10000000). */
  packetsMax: number;
  /**
   * Bytes of packets and sessions kept for recovery, over all namespaces.
   * Default: 67108864 (65536…17179869184).
   */
  bytesMax: number;
  /**
   * Size of one session (rooms and `data`) in bytes; a larger one is not recovered.
   * Default: 65536 (1024…16777216 bytes).
   */
  sessionBytesMax: number;
  /**
   * With Redis or workers: how often the `data` of connected sockets is stored, so that clients can
   * be recovered when their node or worker dies. 0 stores nothing; these clients are then not
   * recovered.
   * Default: 5000 (0…600000 milliseconds).
   */
  checkpointMs: number;
}

/** The module that handles events in the process. */
interface HandlersSettings {
  /**
   * Path of a module whose default export is `(io) => void`.
   * Default: none (at most 4096 characters).
   */
  module: string;
  /**
   * What happens when a handler throws or rejects: a log line, or the end of the process.
   * Default: "log".
   */
  onError: "log" | "exit";
}

/** The application's own HTTP handler, beside Socket.IO on the same port. */
interface HttpSettings {
  /** Largest request body in bytes. Default: 10485760 (0…1073741824 bytes). */
  bodyBytesMax: number;
  /**
   * How long a request body may take to arrive, with the time that the handler takes to read it.
   * Default: 60000 (100…3600000 milliseconds).
   */
  bodyMs: number;
  /**
   * How long the handler may take until its response begins; a response that is streamed may last
   * longer.
   * Default: 60000 (100…3600000 milliseconds).
   */
  answerMs: number;
  /** Requests that may be open at once; above, further ones get 503. Default: 10000 (1…1000000). */
  requestsMax: number;
}

/** Which calls go to which function. */
interface UpstreamRoutesSettings {
  /** Name of the route in metrics, logs and dead letters. Default: its namespace and event. */
  name?: string | undefined;
  /** Namespace; * matches any characters. Default: "/" (at most 256 characters). */
  namespace: string;
  /**
   * Event; * matches any characters. `connect` and `disconnect` are those calls.
   * Default: "*" (at most 256 characters).
   */
  event: string;
  /** URL of the function. */
  url: string;
  /**
   * Whether events without ack go out in batches; the function must expect them. Default:
   * upstream.batch.
   */
  batch?: boolean | undefined;
  /** Whether calls contain the rooms of the socket. Default: upstream.rooms. */
  rooms?: boolean | undefined;
  /**
   * Whether calls contain how many sockets are in each room of the socket. Default:
   * upstream.presence.
   */
  presence?: boolean | undefined;
  /**
   * Whether the function is told after a client has joined, whatever `event` is. Default: false.
   */
  connected?: boolean | undefined;
}

/** Calls to functions: routes, timeouts, queues and retries. */
interface UpstreamSettings {
  /**
   * URL of the function that is called when no route matches; empty calls none.
   * Default: none (at most 4096 characters).
   */
  url: string;
  /**
   * List of {name, namespace, event, url, batch, rooms, presence, connected}: the first that
   * matches is called.
   * Default: none (at most 1000).
   */
  routes: UpstreamRoutesSettings[];
  /**
   * Namespaces for which upstream.url is called; * matches any characters.
   * Default: ["/"] (at most 1000).
   */
  namespaces: string[];
  /**
   * Which calls upstream.url gets: connect, connected, event, disconnect.
   * Default: ["connect","event","disconnect"].
   */
  calls: ("connect" | "connected" | "event" | "disconnect")[];
  /**
   * Signing secrets (whsec_…), the newest first; each call is signed with all of them.
   * Default: none (never printed).
   */
  secrets: string[];
  /** Whether functions on other machines may be called over plain HTTP. Default: false. */
  insecure: boolean;
  /**
   * How long a call may take. For an event with an ack, its time in the queue counts too.
   * Default: 10000 (10…300000 milliseconds).
   */
  timeoutMs: number;
  /**
   * How long a connect call may take, including its time in the queue.
   * Default: 5000 (10…300000 milliseconds).
   */
  connectTimeoutMs: number;
  /**
   * Size of a function's answer in bytes, after decompression.
   * Default: 1048576 (256…67108864 bytes).
   */
  answerBytesMax: number;
  /**
   * Size of a socket's `data`, in bytes of JSON, after an answer has changed it.
   * Default: 16384 (1024…1048576 bytes).
   */
  dataBytesMax: number;
  /** Whether calls contain the rooms of the socket. Default: false. */
  rooms: boolean;
  /**
   * Whether calls contain how many sockets, over all nodes, are in each room of the socket.
   * Default: false.
   */
  presence: boolean;
  /**
   * How long the room sizes of other nodes are cached, for routes with presence.
   * Default: 1000 (10…60000 milliseconds).
   */
  presenceMs: number;
  /**
   * Calls that may be open at once, per origin. Each uses one connection.
   * Default: 128 (1…10000).
   */
  inflightMax: number;
  /**
   * Events and connects that may wait in the queue, over all sockets.
   * Default: 100000 (1…10000000).
   */
  queueMax: number;
  /**
   * Bytes that may wait in the queue, over all sockets.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  queueBytesMax: number;
  /** Events of one socket that may wait in the queue. Default: 100 (1…100000). */
  socketQueueMax: number;
  /**
   * What happens when the queue of a socket, or the whole queue, is full. refuse: events get an
   * error. pause: the connection is not read until there is room. close: the connection is closed.
   * Default: "refuse".
   */
  full: "refuse" | "pause" | "close";
  /**
   * With upstream.full: pause, bytes of one socket's events that are accepted above the limits,
   * because they had been read already. For all sockets together, the bound is
   * upstream.queueBytesMax. Above, the connection is closed.
   * Default: 16777216 (65536…1073741824 bytes).
   */
  pausedBytesMax: number;
  /**
   * Where calls without a waiting client, and dead letters, are kept until a function has answered.
   * In Redis they outlive the process. auto: in Redis if cluster.redisUrl is set.
   * Default: "auto".
   */
  durable: "auto" | "redis" | "memory";
  /**
   * What happens to events without ack while Redis should keep them and is away: they are kept in
   * memory only, or refused.
   * Default: "memory".
   */
  away: "memory" | "refuse";
  /** Attempts for an event without ack, or for a disconnect. Default: 1000 (1…10000). */
  attemptsMax: number;
  /**
   * How long after the first attempt an event without ack, or a disconnect, is retried; 0: ten
   * minutes if calls are kept in Redis, else three seconds.
   * Default: 0 (0…86400000 milliseconds).
   */
  retryForMs: number;
  /**
   * Longest wait before the first retry; it doubles with each retry.
   * Default: 200 (1…60000 milliseconds).
   */
  retryMs: number;
  /** Longest wait before any retry. Default: 10000 (1…3600000 milliseconds). */
  retryMsMax: number;
  /**
   * Retries, in percent of an origin's calls; ten a second are always allowed.
   * Default: 20 (0…1000 percent).
   */
  retryBudgetPercent: number;
  /**
   * Percentage of failed calls at which an origin's circuit breaker opens.
   * Default: 50 (1…100 percent).
   */
  breakerPercent: number;
  /**
   * Calls in a window that are needed before upstream.breakerPercent applies.
   * Default: 20 (1…100000).
   */
  breakerCallsMin: number;
  /** Window in which the circuit breaker counts calls. Default: 10000 (100…600000 milliseconds). */
  breakerWindowMs: number;
  /**
   * How long a circuit breaker stays open before one call tests the origin.
   * Default: 5000 (10…600000 milliseconds).
   */
  breakerOpenMs: number;
  /**
   * Longest Retry-After of a function that is followed.
   * Default: 60000 (1000…3600000 milliseconds).
   */
  retryAfterMsMax: number;
  /**
   * How long a route is not called after its function answered 410; then one call tests it.
   * Default: 600000 (1000…86400000 milliseconds).
   */
  goneMs: number;
  /** Whether upstream.url gets events without ack in batches. Default: false. */
  batch: boolean;
  /** Events in one batch. Default: 100 (1…10000). */
  batchMax: number;
  /**
   * Size of one batch in bytes; a single event may be larger.
   * Default: 1048576 (1024…67108864 bytes).
   */
  batchBytesMax: number;
  /** How long a batch waits for more events. Default: 10 (1…60000 milliseconds). */
  batchMs: number;
  /** Dead letters that are kept: events whose last attempt failed. Default: 1000 (0…1000000). */
  deadLettersMax: number;
  /** Size of the dead letters that are kept, in bytes. Default: 16777216 (0…4294967296 bytes). */
  deadLetterBytesMax: number;
  /** How long dead letters are kept. Default: 604800000 (1000…31536000000 milliseconds). */
  deadLetterAgeMs: number;
  /**
   * How long queued calls may still go out while the gateway stops.
   * Default: 5000 (0…600000 milliseconds).
   */
  drainMs: number;
}

/** The gateway's own HTTP routes, and who may use them. */
interface ApiSettings {
  /**
   * Separate port for metrics, health and commands; 0 serves them on socket.port.
   * Default: 0 (0…65535).
   */
  port: number;
  /** Address the API port listens on. Default: "0.0.0.0" (at most 4096 characters). */
  host: string;
  /**
   * API keys: `id:secret`, or `id:secret:commands:namespaces` with `+` between names. `*` means
   * all; at the end of a namespace it matches any characters. `deadLetters` and `console` are
   * rights like commands. Callers send the secret alone.
   * Default: none (never printed).
   */
  keys: string[];
  /**
   * Shared secret of HS256/384/512 tokens for the API, at least 32 bytes.
   * Default: none (never printed).
   */
  jwtSecret: string;
  /**
   * Public key in PEM of tokens for the API, or the path of a file with it.
   * Default: none (at most 4096 characters).
   */
  jwtPublicKey: string;
  /**
   * URL of a JSON Web Key Set for the API: https, or http on loopback.
   * Default: none (at most 4096 characters).
   */
  jwtJwksUrl: string;
  /**
   * `iss` that tokens for the API must have; empty accepts any.
   * Default: none (at most 4096 characters).
   */
  jwtIssuer: string;
  /**
   * `aud` that tokens for the API must have, so that tokens of clients are not accepted.
   * Default: "sluice-api" (at most 1024 characters).
   */
  jwtAudience: string;
  /**
   * Size of a request body in bytes, after decompression; for NDJSON, of one line.
   * Default: 1048576 (1024…104857600 bytes).
   */
  bodyBytesMax: number;
  /**
   * How long a body may take to arrive, and how long a stream may stand still in either direction.
   * Default: 5000 (100…60000 milliseconds).
   */
  bodyMs: number;
  /** Request bodies and streams that may be open at once. Default: 256 (1…100000). */
  bodiesMax: number;
  /**
   * Bytes of all request bodies that are arriving; as many again while keys and tokens are checked.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  bodiesBytesMax: number;
  /**
   * How long a repeated Idempotency-Key gets the first answer.
   * Default: 600000 (1000…86400000 milliseconds).
   */
  idempotencyMs: number;
  /**
   * Bytes of answers that are kept for Idempotency-Keys; above, new keys are refused.
   * Default: 67108864 (65536…17179869184 bytes).
   */
  idempotencyBytesMax: number;
}

/** The console, a live page in the browser. */
interface ConsoleSettings {
  /**
   * Whether `/console` is served on the API port. It needs a key in `api.keys` with the right
   * `console`, or tokens for the API. Without either it is served in development only, with a key
   * in the link that is printed at start.
   * Default: true.
   */
  enabled: boolean;
  /**
   * How far back the charts go, with one sample a second.
   * Default: 900000 (60000…86400000 milliseconds).
   */
  historyMs: number;
  /** Live streams that may be open at once, over all viewers. Default: 16 (1…1000). */
  streamsMax: number;
  /**
   * Whether the events of a socket or room can be watched. auto: only in development, which means
   * the `sluice` process without `NODE_ENV=production`.
   * Default: "auto".
   */
  watch: "auto" | "on" | "off";
  /**
   * Watched events that one stream gets per second; those above are only counted.
   * Default: 100 (1…10000).
   */
  watchPerSecondMax: number;
  /**
   * Whether watched events show their arguments, or only the type and size of each.
   * Default: "shown".
   */
  watchArguments: "shown" | "masked";
}

/** Other nodes, connected by Redis, and workers on this machine. */
interface ClusterSettings {
  /**
   * URL of the Redis that connects the nodes: redis://…, redis+sentinel://host:port,…/master or
   * redis+cluster://host:port,…; with TLS, rediss instead of redis. Empty: a single node.
   * Default: none (never printed).
   */
  redisUrl: string;
  /**
   * File with the CA certificates for Redis, in PEM; empty: the usual ones.
   * Default: none (at most 4096 characters).
   */
  redisCaFile: string;
  /**
   * File with this node's certificate for Redis, in PEM; empty: none.
   * Default: none (at most 4096 characters).
   */
  redisCertFile: string;
  /**
   * File with the private key of cluster.redisCertFile, in PEM.
   * Default: none (at most 4096 characters).
   */
  redisKeyFile: string;
  /**
   * Host name that the certificate of Redis must have; empty: the host of the URL.
   * Default: none (at most 4096 characters).
   */
  redisServerName: string;
  /**
   * How nodes reach each other: streams, or pubsub to share Redis with other Socket.IO servers and
   * emitters. pubsub has neither recovery nor cluster.busKey.
   * Default: "streams".
   */
  adapter: "streams" | "pubsub";
  /** Prefix of every key and channel in Redis. Default: "sluice" (at most 4096 characters). */
  prefix: string;
  /** Packets that the log of a namespace keeps, approximately. Default: 10000 (100…10000000). */
  streamPacketsMax: number;
  /**
   * Bytes of one namespace's packets that may be held in memory while older packets are read.
   * Default: 67108864 (65536…1073741824 bytes).
   */
  heldBytesMax: number;
  /**
   * What happens at start if Redis cannot be reached: fail ends with an error, wait waits for it.
   * Default: "fail".
   */
  startup: "fail" | "wait";
  /**
   * How long Redis may take to answer before it counts as away.
   * Default: 2000 (50…60000 milliseconds).
   */
  timeoutMs: number;
  /**
   * What happens to commands over HTTP while Redis is away: they are refused with 503, or carried
   * out on this node only.
   * Default: "refuse".
   */
  away: "refuse" | "local";
  /**
   * Largest message accepted from other nodes, in bytes.
   * Default: 4194304 (1024…536870912 bytes).
   */
  messageBytesMax: number;
  /**
   * Key that signs messages between nodes. If set, unsigned, foreign and repeated messages are
   * refused.
   * Default: none (never printed).
   */
  busKey: string;
  /**
   * How long a node may be silent before the others consider it dead.
   * Default: 15000 (500…600000 milliseconds).
   */
  leaseMs: number;
  /**
   * Messages of all namespaces that may wait for Redis or the primary to confirm them; as many
   * other commands may wait too.
   * Default: 10000 (1…1000000).
   */
  pendingMax: number;
  /** Requests to other nodes that may be open, per namespace. Default: 1000 (1…100000). */
  requestsMax: number;
  /** How long other nodes may take to answer a request. Default: 5000 (100…60000 milliseconds). */
  requestTimeoutMs: number;
  /**
   * Processes that share the port; `auto`: one per core. 0: this process alone. Only the command
   * `sluice` starts them.
   * Default: "0" (matches `^(auto|\d{1,3})$`).
   */
  workers: string;
}

/** The metrics route. */
interface MetricsSettings {
  /** URL path that Prometheus scrapes. Default: "/metrics" (matches `^/[\w\-./]*$`). */
  path: string;
  /** Whether Node.js' own process metrics are exported too. Default: true. */
  defaults: boolean;
}

/** Traces of events, calls and commands, for an OpenTelemetry collector. */
interface TraceSettings {
  /**
   * URL of an OpenTelemetry collector (OTLP over HTTP); without a path, /v1/traces is used. Empty:
   * no traces.
   * Default: none (at most 4096 characters).
   */
  otlpUrl: string;
  /**
   * Headers of each export, as `name=value`, such as credentials for the collector.
   * Default: none (never printed).
   */
  headers: string[];
  /**
   * Share of the traces that begin in Sluice and are exported. A trace that arrives with a context
   * keeps the decision of its caller.
   * Default: 1 (0…1).
   */
  sampleRatio: number;
  /**
   * Whether trace contexts from clients are continued; if not, each of their events and connects
   * begins a new trace.
   * Default: true.
   */
  fromClients: boolean;
  /** `service.name` of the spans. Default: "sluice" (at most 256 characters). */
  serviceName: string;
  /**
   * Spans that may wait for the collector; spans above are dropped and counted.
   * Default: 2048 (1…100000).
   */
  queueMax: number;
  /** Spans in one export. Default: 512 (1…10000). */
  batchMax: number;
  /** How long an export waits for more spans. Default: 1000 (1…60000 milliseconds). */
  batchMs: number;
  /**
   * How long an export may take, retries included; a stop waits as long for the last ones.
   * Default: 5000 (100…60000 milliseconds).
   */
  timeoutMs: number;
}

/** Log lines. */
interface LogSettings {
  /**
   * Lowest level that is written; debug also logs every connection, join, leave and close.
   * Default: "info".
   */
  level: "debug" | "info" | "warn" | "error" | "silent";
  /**
   * How a line is written: as JSON, or as text for people. auto: text in a terminal, else JSON.
   * Default: "auto".
   */
  format: "auto" | "json" | "text";
  /**
   * Bytes of log lines that may wait while standard output is slow; lines above are dropped and
   * counted.
   * Default: 1048576 (0…1073741824 bytes).
   */
  bufferBytesMax: number;
}

/** All settings, complete and within their bounds. */
export interface Settings {
  /** Connections: where they are accepted, how much each may buffer, when they are closed. */
  socket: SocketSettings;
  /** Authentication: how a client's token is checked and what it grants. */
  auth: AuthSettings;
  /**
   * Limits on clients, counted per process. A rate of 0 means no limit; a burst is at least one
   * second of its rate.
   */
  limits: LimitsSettings;
  /**
   * Overload protection: when it starts, and how much it closes at once. Each sample changes the
   * stage by at most one.
   */
  overload: OverloadSettings;
  /** Packet encodings and the limits of one packet. */
  codec: CodecSettings;
  /** Broadcasts and commands. */
  fanout: FanoutSettings;
  /** Connection state recovery. */
  recovery: RecoverySettings;
  /** The module that handles events in the process. */
  handlers: HandlersSettings;
  /** The application's own HTTP handler, beside Socket.IO on the same port. */
  http: HttpSettings;
  /** Calls to functions: routes, timeouts, queues and retries. */
  upstream: UpstreamSettings;
  /** The gateway's own HTTP routes, and who may use them. */
  api: ApiSettings;
  /** The console, a live page in the browser. */
  console: ConsoleSettings;
  /** Other nodes, connected by Redis, and workers on this machine. */
  cluster: ClusterSettings;
  /** The metrics route. */
  metrics: MetricsSettings;
  /** Traces of events, calls and commands, for an OpenTelemetry collector. */
  trace: TraceSettings;
  /** Log lines. */
  log: LogSettings;
}
