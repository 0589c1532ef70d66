/**
 * Every failure that is reported to a client, a function or an operator: one row each.
 *
 * `status` is the HTTP status for HTTP callers, `retry` whether the same request may succeed later,
 * `text` the sentence that the receiver sees.
 */
export const FAILURES = {
  // codec: a packet that is refused before anything is allocated for it.
  CODEC_TOO_DEEP: {
    status: 400,
    retry: false,
    text: "Packet nests deeper than codec.depthMax, or a CONNECT than codec.connectDepthMax",
  },
  CODEC_TOO_MANY_ELEMENTS: {
    status: 400,
    retry: false,
    text: "Packet holds more values than codec.elementsMax, or a CONNECT than codec.connectElementsMax",
  },
  CODEC_NAME_TOO_LONG: {
    status: 400,
    retry: false,
    text: "Event or namespace name is longer than codec.nameBytesMax",
  },
  CODEC_TOO_LARGE: {
    status: 400,
    retry: false,
    text: "Packet and its attachments are larger than socket.packetBytesMax, or a CONNECT than codec.connectBytesMax",
  },
  CODEC_TOO_MANY_ATTACHMENTS: {
    status: 400,
    retry: false,
    text: "Packet holds more binary values than codec.attachmentsMax",
  },
  CODEC_MALFORMED: { status: 400, retry: false, text: "Bytes are not a packet of this codec" },
  CODEC_BAD_SHAPE: { status: 400, retry: false, text: "Packet does not have its type's shape" },
  CODEC_RESERVED_EVENT: { status: 400, retry: false, text: "Event name is reserved" },
  CODEC_NOT_ACCEPTED: { status: 400, retry: false, text: "codec.accept excludes this codec" },
  // commands: refused before or during execution.
  COMMANDS_BAD: { status: 400, retry: false, text: "A command is not valid" },
  COMMANDS_NO_NAMESPACE: { status: 404, retry: false, text: "There is no such namespace" },
  COMMANDS_TOO_MANY_SOCKETS: {
    status: 409,
    retry: false,
    text: "More sockets match than emitWithAck may wait for",
  },
  COMMANDS_TOO_MANY_LISTED: {
    status: 409,
    retry: false,
    text: "The request has looked through fanout.requestSocketsMax sockets already",
  },
  COMMANDS_BUSY: {
    status: 503,
    retry: true,
    text: "fanout.listsWaitingMax lists wait already, or answers hold fanout.listedSocketsMax sockets",
  },
  COMMANDS_ACKS_FULL: {
    status: 503,
    retry: true,
    text: "fanout.acksPendingMax acknowledgements are awaited already",
  },
  COMMANDS_NO_CLUSTER: {
    status: 409,
    retry: false,
    text: "serverSideEmit reaches the other nodes of a cluster, and this node is alone",
  },
  COMMANDS_HELD_FULL: {
    status: 503,
    retry: true,
    text: "fanout.heldCommandsMax commands already wait for a socket to be let in",
  },
  COMMANDS_DELAYED_FULL: {
    status: 503,
    retry: true,
    text: "fanout.delayedMax commands, or fanout.delayedBytesMax of them, wait for their time already",
  },
  COMMANDS_DELAYED_AWAY: {
    status: 503,
    retry: true,
    text: "Redis, or the primary of workers, keeps the commands that wait for their time, and has not confirmed this one",
  },
  COMMANDS_FAILED: { status: 500, retry: true, text: "The command could not be carried out" },
  // handlers: the application's code in the process.
  HANDLERS_FAILED: { status: 500, retry: false, text: "The application's own handler failed" },
  // api: requests.
  API_NOT_FOUND: { status: 404, retry: false, text: "There is no such route" },
  API_BAD_METHOD: { status: 405, retry: false, text: "The route does not have this method" },
  API_NO_KEY: {
    status: 403,
    retry: false,
    text: "The API is closed until a key is set: SLUICE_API_KEYS=id:secret, or api.jwtSecret, api.jwtPublicKey, api.jwtJwksUrl",
  },
  API_UNAUTHENTICATED: {
    status: 401,
    retry: false,
    text: "Authorization: Bearer with an API key or a token is required",
  },
  API_FORBIDDEN: { status: 403, retry: false, text: "The key does not allow this" },
  API_BAD_TYPE: { status: 415, retry: false, text: "The body's Content-Type is not known here" },
  API_BAD_ENCODING: {
    status: 415,
    retry: false,
    text: "The body's Content-Encoding is not known here; a stream has none",
  },
  API_BAD_BODY: { status: 400, retry: false, text: "The body cannot be read" },
  API_BAD_QUERY: { status: 400, retry: false, text: "A parameter of the query is not valid" },
  API_BODY_TOO_LARGE: {
    status: 413,
    retry: false,
    text: "The body, or a line of it, is larger than api.bodyBytesMax",
  },
  API_BODY_TOO_SLOW: {
    status: 408,
    retry: true,
    text: "The body did not arrive within api.bodyMs",
  },
  API_BUSY: {
    status: 503,
    retry: true,
    text: "api.bodiesMax requests, or api.bodiesBytesMax of them, are being read already",
  },
  API_STOPPING: { status: 503, retry: true, text: "The gateway is stopping" },
  API_NOT_READY: { status: 503, retry: true, text: "The cluster cannot be reached" },
  API_KEY_REUSED: {
    status: 422,
    retry: false,
    text: "The Idempotency-Key has been used for another request",
  },
  API_BAD_IDEMPOTENCY_KEY: {
    status: 400,
    retry: false,
    text: "An Idempotency-Key has 1 to 255 characters and does not go with a stream",
  },
  API_IDEMPOTENCY_FULL: {
    status: 503,
    retry: true,
    text: "api.idempotencyBytesMax of answers are kept already",
  },
  API_ANSWER_NOT_KEPT: {
    status: 409,
    retry: false,
    text: "The request was carried out, but api.idempotencyBytesMax left no room to keep its answer",
  },
  API_NO_UPSTREAM: { status: 404, retry: false, text: "There is no upstream" },
  API_INTERNAL: { status: 500, retry: true, text: "The gateway failed to answer" },
  // console: the page for operators.
  CONSOLE_TOO_MANY_STREAMS: {
    status: 503,
    retry: true,
    text: "console.streamsMax streams are open already",
  },
  CONSOLE_WATCH_OFF: {
    status: 403,
    retry: false,
    text: "Events are not to be watched: see console.watch",
  },
  CONSOLE_NO_SOCKET: { status: 404, retry: false, text: "There is no such socket" },
  // upstream: calls to functions.
  UPSTREAM_TIMEOUT: { status: 504, retry: true, text: "The function did not answer in time" },
  UPSTREAM_UNREACHABLE: { status: 502, retry: true, text: "The function cannot be reached" },
  UPSTREAM_FAILED: { status: 502, retry: true, text: "The function failed" },
  UPSTREAM_REFUSED: { status: 422, retry: false, text: "The function refused" },
  UPSTREAM_REJECTED: {
    status: 502,
    retry: false,
    text: "The function's server did not take the call",
  },
  UPSTREAM_REDIRECTED: {
    status: 502,
    retry: false,
    text: "The function redirects, which is never followed",
  },
  UPSTREAM_BAD_ANSWER: {
    status: 502,
    retry: false,
    text: "The function's answer does not have the shape that its call needs",
  },
  UPSTREAM_TOO_LARGE: {
    status: 502,
    retry: false,
    text: "The function's answer is larger than upstream.answerBytesMax",
  },
  UPSTREAM_DATA_TOO_LARGE: {
    status: 502,
    retry: false,
    text: "The function's answer would make the socket's data larger than upstream.dataBytesMax",
  },
  UPSTREAM_GONE: {
    status: 502,
    retry: false,
    text: "The function answered 410 and is not called for a while",
  },
  UPSTREAM_OPEN: {
    status: 503,
    retry: true,
    text: "The function's origin fails too often and is left alone for a while",
  },
  UPSTREAM_PAUSED: {
    status: 503,
    retry: true,
    text: "The function answered 429, or asked for a pause by Retry-After",
  },
  UPSTREAM_QUEUE_FULL: {
    status: 429,
    retry: true,
    text: "upstream.socketQueueMax events of this socket are waiting",
  },
  UPSTREAM_SATURATED: {
    status: 503,
    retry: true,
    text: "upstream.queueMax events or upstream.queueBytesMax bytes are waiting",
  },
  UPSTREAM_NO_ROUTE: { status: 404, retry: false, text: "No function answers this event" },
  UPSTREAM_BAD_ARGS: { status: 400, retry: false, text: "The arguments cannot be written as JSON" },
  UPSTREAM_AWAY: {
    status: 503,
    retry: true,
    text: "Redis, which keeps what waits for functions, cannot be reached",
  },
  UPSTREAM_STOPPING: { status: 503, retry: true, text: "The gateway is stopping" },
  // door: who a client is.
  AUTH_REQUIRED: { status: 401, retry: false, text: "A token is required" },
  AUTH_INVALID: { status: 401, retry: false, text: "The token is not valid here" },
  AUTH_EXPIRED: { status: 401, retry: false, text: "The token has expired" },
  AUTH_TOO_LONG: { status: 400, retry: false, text: "The token is longer than auth.tokenBytesMax" },
  AUTH_WRONG_USER: { status: 403, retry: false, text: "The token belongs to another user" },
  AUTH_NO_DECIDER: {
    status: 403,
    retry: false,
    text: "No function decides on the clients of this namespace",
  },
  AUTH_UNAVAILABLE: { status: 503, retry: true, text: "Tokens cannot be checked at the moment" },
  // door: limits on clients.
  ORIGIN_FORBIDDEN: { status: 403, retry: false, text: "This origin may not connect" },
  LIMIT_CONNECTIONS: { status: 503, retry: true, text: "limits.connectionsMax is reached" },
  LIMIT_POLLING: { status: 503, retry: true, text: "limits.pollingConnectionsMax is reached" },
  LIMIT_OUTSIDE: { status: 503, retry: true, text: "limits.outsideMax is reached" },
  LIMIT_ADDRESS_CONNECTIONS: {
    status: 429,
    retry: true,
    text: "limits.addressConnectionsMax is reached",
  },
  LIMIT_HANDSHAKES: { status: 503, retry: true, text: "limits.handshakesPerSecond is exceeded" },
  LIMIT_ADDRESS_HANDSHAKES: {
    status: 429,
    retry: true,
    text: "limits.addressHandshakesPerSecond is exceeded",
  },
  LIMIT_QUERY: {
    status: 414,
    retry: false,
    text: "Query exceeds limits.queryBytesMax or limits.queryParametersMax",
  },
  LIMIT_HEADERS: { status: 431, retry: false, text: "Headers exceed limits.headerBytesMax" },
  LIMIT_EVENTS: { status: 429, retry: true, text: "limits.eventsPerSecond is exceeded" },
  LIMIT_BYTES: { status: 429, retry: true, text: "limits.bytesPerSecond is exceeded" },
  LIMIT_ROOMS: { status: 429, retry: false, text: "Socket would be in more than limits.roomsMax" },
  LIMIT_ROOM_NAME: {
    status: 400,
    retry: false,
    text: "Room is not a string, or longer than limits.roomBytesMax",
  },
  LIMIT_NAMESPACES: { status: 429, retry: false, text: "limits.namespacesMax is reached" },
  OVERLOADED: { status: 503, retry: true, text: "The gateway is overloaded" },
  // socket: the process.
  SOCKET_NO_DESCRIPTORS: {
    status: 503,
    retry: true,
    text: "The process has no file descriptors left for new connections",
  },
  // cluster: other nodes.
  CLUSTER_AWAY: {
    status: 503,
    retry: true,
    text: "Other nodes cannot be reached: Redis is away",
  },
} as const satisfies Record<string, Failure>;

/** One row of the table of failures. */
export interface Failure {
  readonly status: number;
  readonly retry: boolean;
  readonly text: string;
}

/** The name of a failure in answers, logs and metrics. */
export type FailureCode = keyof typeof FAILURES;

/** Returns a failure as clients see it. */
export function describeFailure(code: FailureCode) {
  const { text, retry } = FAILURES[code];
  return { code, message: text, retry };
}

/** The error of every row above: `code` names the row, `detail` says what exactly and where. */
export class FailureError extends Error {
  readonly code: FailureCode;
  readonly detail: string | undefined;
  constructor(code: FailureCode, detail?: string, options?: ErrorOptions) {
    super(
      detail === undefined ? FAILURES[code].text : `${FAILURES[code].text}: ${detail}`,
      options,
    );
    this.name = "FailureError";
    this.code = code;
    this.detail = detail;
  }
}

/** Returns the message of an error, or anything else that was thrown as a string. Never throws. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "what was thrown cannot be shown"; // an object without a prototype, a getter that throws
  }
}
