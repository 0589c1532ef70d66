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
    text: "The packet nests deeper than codec.depthMax, or a CONNECT deeper than codec.connectDepthMax",
  },
  CODEC_TOO_MANY_ELEMENTS: {
    status: 400,
    retry: false,
    text: "The packet has more values than codec.elementsMax, or a CONNECT more than codec.connectElementsMax",
  },
  CODEC_NAME_TOO_LONG: {
    status: 400,
    retry: false,
    text: "The event or namespace name is longer than codec.nameBytesMax",
  },
  CODEC_TOO_LARGE: {
    status: 400,
    retry: false,
    text: "The packet with its attachments is larger than socket.packetBytesMax, or a CONNECT larger than codec.connectBytesMax",
  },
  CODEC_TOO_MANY_ATTACHMENTS: {
    status: 400,
    retry: false,
    text: "The packet has more binary values than codec.attachmentsMax",
  },
  CODEC_MALFORMED: { status: 400, retry: false, text: "The bytes are not a packet of this codec" },
  CODEC_BAD_SHAPE: {
    status: 400,
    retry: false,
    text: "The packet does not have the shape of its type",
  },
  CODEC_RESERVED_EVENT: { status: 400, retry: false, text: "The event name is reserved" },
  CODEC_NOT_ACCEPTED: {
    status: 400,
    retry: false,
    text: "This codec is not accepted: see codec.accept",
  },
  // commands: refused before or during execution.
  COMMANDS_BAD: { status: 400, retry: false, text: "A command is not valid" },
  COMMANDS_NO_NAMESPACE: { status: 404, retry: false, text: "There is no such namespace" },
  COMMANDS_TOO_MANY_SOCKETS: {
    status: 409,
    retry: false,
    text: "More sockets match than fanout.ackSocketsMax, the most that emitWithAck may wait for",
  },
  COMMANDS_TOO_MANY_LISTED: {
    status: 409,
    retry: false,
    text: "The request has already looked through fanout.requestSocketsMax sockets",
  },
  COMMANDS_BUSY: {
    status: 503,
    retry: true,
    text: "Too many lists: fanout.listsWaitingMax are waiting, or answers hold fanout.listedSocketsMax sockets",
  },
  COMMANDS_ACKS_FULL: {
    status: 503,
    retry: true,
    text: "Too many acknowledgements: fanout.acksPendingMax are already awaited",
  },
  COMMANDS_NO_CLUSTER: {
    status: 409,
    retry: false,
    text: "This node is alone: serverSideEmit needs other nodes",
  },
  COMMANDS_HELD_FULL: {
    status: 503,
    retry: true,
    text: "Too many commands: fanout.heldCommandsMax already wait for a socket whose connect call is not answered",
  },
  COMMANDS_DELAYED_FULL: {
    status: 503,
    retry: true,
    text: "Too many commands with afterMs: fanout.delayedMax commands or fanout.delayedBytesMax bytes already wait",
  },
  COMMANDS_DELAYED_AWAY: {
    status: 503,
    retry: true,
    text: "The command with afterMs was not confirmed by Redis, or by the primary of the workers, which keeps it",
  },
  COMMANDS_FAILED: { status: 500, retry: true, text: "The command could not be carried out" },
  // handlers: the application's code in the process.
  HANDLERS_FAILED: { status: 500, retry: false, text: "A handler of the application failed" },
  // http: requests for the application's own HTTP handler.
  HTTP_BAD_REQUEST: {
    status: 400,
    retry: false,
    text: "The request's target, method or headers are not valid",
  },
  HTTP_BODY_TOO_LARGE: {
    status: 413,
    retry: false,
    text: "The body is larger than http.bodyBytesMax",
  },
  HTTP_BODY_TOO_SLOW: {
    status: 408,
    retry: true,
    text: "The body did not arrive within http.bodyMs",
  },
  HTTP_BUSY: { status: 503, retry: true, text: "http.requestsMax requests are open already" },
  HTTP_TIMEOUT: {
    status: 504,
    retry: true,
    text: "The application's handler did not answer within http.answerMs",
  },
  HTTP_STOPPING: { status: 503, retry: true, text: "The gateway is stopping" },
  // api: requests.
  API_NOT_FOUND: { status: 404, retry: false, text: "There is no such route" },
  API_BAD_METHOD: { status: 405, retry: false, text: "The route does not have this method" },
  API_NO_KEY: {
    status: 403,
    retry: false,
    text: "The API has no key yet. Set SLUICE_API_KEYS=id:secret, or api.jwtSecret, api.jwtPublicKey or api.jwtJwksUrl",
  },
  API_UNAUTHENTICATED: {
    status: 401,
    retry: false,
    text: "The request needs Authorization: Bearer with an API key or a token",
  },
  API_FORBIDDEN: { status: 403, retry: false, text: "The key does not allow this" },
  API_BAD_TYPE: {
    status: 415,
    retry: false,
    text: "The Content-Type of the body is not supported",
  },
  API_BAD_ENCODING: {
    status: 415,
    retry: false,
    text: "The Content-Encoding of the body is not supported; a stream must have none",
  },
  API_BAD_BODY: { status: 400, retry: false, text: "The body cannot be read" },
  API_BAD_QUERY: { status: 400, retry: false, text: "A query parameter is not valid" },
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
    text: "Too many requests: api.bodiesMax bodies or api.bodiesBytesMax bytes are already being read",
  },
  API_STOPPING: { status: 503, retry: true, text: "The gateway is stopping" },
  API_NOT_READY: { status: 503, retry: true, text: "Other nodes cannot be reached" },
  API_KEY_REUSED: {
    status: 422,
    retry: false,
    text: "The Idempotency-Key was used for another request",
  },
  API_BAD_IDEMPOTENCY_KEY: {
    status: 400,
    retry: false,
    text: "An Idempotency-Key must have 1 to 255 characters, and cannot be used with a stream",
  },
  API_IDEMPOTENCY_FULL: {
    status: 503,
    retry: true,
    text: "Too many kept answers: api.idempotencyBytesMax is reached",
  },
  API_ANSWER_NOT_KEPT: {
    status: 409,
    retry: false,
    text: "The request was carried out, but its answer was not kept: api.idempotencyBytesMax is reached",
  },
  API_NO_UPSTREAM: {
    status: 404,
    retry: false,
    text: "No function is configured: see upstream.url and upstream.routes",
  },
  API_INTERNAL: { status: 500, retry: true, text: "The gateway failed while answering" },
  // console: the page for operators.
  CONSOLE_TOO_MANY_STREAMS: {
    status: 503,
    retry: true,
    text: "Too many streams: console.streamsMax are already open",
  },
  CONSOLE_WATCH_OFF: {
    status: 403,
    retry: false,
    text: "Watching events is off: see console.watch",
  },
  CONSOLE_NO_SOCKET: { status: 404, retry: false, text: "There is no such socket" },
  // upstream: calls to functions.
  UPSTREAM_TIMEOUT: { status: 504, retry: true, text: "The function did not answer in time" },
  UPSTREAM_UNREACHABLE: { status: 502, retry: true, text: "The function cannot be reached" },
  UPSTREAM_FAILED: { status: 502, retry: true, text: "The function failed" },
  UPSTREAM_REFUSED: { status: 422, retry: false, text: "The function refused the call" },
  UPSTREAM_REJECTED: {
    status: 502,
    retry: false,
    text: "The function's server did not accept the call",
  },
  UPSTREAM_REDIRECTED: {
    status: 502,
    retry: false,
    text: "The function answered with a redirect, which is never followed",
  },
  UPSTREAM_BAD_ANSWER: {
    status: 502,
    retry: false,
    text: "The function's answer does not have the shape that the call needs",
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
    text: "The function answered 410, and is not called for upstream.goneMs",
  },
  UPSTREAM_OPEN: {
    status: 503,
    retry: true,
    text: "The function's origin fails too often, and is not called for a while",
  },
  UPSTREAM_PAUSED: {
    status: 503,
    retry: true,
    text: "The function answered 429, or asked for a pause with Retry-After",
  },
  UPSTREAM_QUEUE_FULL: {
    status: 429,
    retry: true,
    text: "Too many events of this socket wait: upstream.socketQueueMax",
  },
  UPSTREAM_SATURATED: {
    status: 503,
    retry: true,
    text: "Too many events wait: upstream.queueMax events or upstream.queueBytesMax bytes",
  },
  UPSTREAM_NO_ROUTE: {
    status: 404,
    retry: false,
    text: "No function is configured for this event",
  },
  UPSTREAM_BAD_ARGS: { status: 400, retry: false, text: "The arguments cannot be written as JSON" },
  UPSTREAM_AWAY: {
    status: 503,
    retry: true,
    text: "Redis, which keeps the calls to functions, cannot be reached",
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
    text: "No function decides who may join this namespace",
  },
  AUTH_UNAVAILABLE: { status: 503, retry: true, text: "Tokens cannot be checked at the moment" },
  // door: limits on clients.
  ORIGIN_FORBIDDEN: { status: 403, retry: false, text: "This origin may not connect" },
  LIMIT_CONNECTIONS: {
    status: 503,
    retry: true,
    text: "Too many connections: limits.connectionsMax is reached",
  },
  LIMIT_POLLING: {
    status: 503,
    retry: true,
    text: "Too many long-polling connections: limits.pollingConnectionsMax is reached",
  },
  LIMIT_OUTSIDE: {
    status: 503,
    retry: true,
    text: "Too many connections without a namespace: limits.outsideMax is reached",
  },
  LIMIT_ADDRESS_CONNECTIONS: {
    status: 429,
    retry: true,
    text: "Too many connections from this address: limits.addressConnectionsMax is reached",
  },
  LIMIT_HANDSHAKES: {
    status: 503,
    retry: true,
    text: "Too many handshakes: limits.handshakesPerSecond is exceeded",
  },
  LIMIT_ADDRESS_HANDSHAKES: {
    status: 429,
    retry: true,
    text: "Too many handshakes from this address: limits.addressHandshakesPerSecond is exceeded",
  },
  LIMIT_QUERY: {
    status: 414,
    retry: false,
    text: "The query is longer than limits.queryBytesMax, or has more parameters than limits.queryParametersMax",
  },
  LIMIT_HEADERS: {
    status: 431,
    retry: false,
    text: "The headers are larger than limits.headerBytesMax",
  },
  LIMIT_EVENTS: {
    status: 429,
    retry: true,
    text: "Too many packets: limits.eventsPerSecond is exceeded",
  },
  LIMIT_BYTES: {
    status: 429,
    retry: true,
    text: "Too many bytes: limits.bytesPerSecond is exceeded",
  },
  LIMIT_ROOMS: {
    status: 429,
    retry: false,
    text: "The socket is in limits.roomsMax rooms and cannot join more",
  },
  LIMIT_ROOM_NAME: {
    status: 400,
    retry: false,
    text: "The room is not a string, or is longer than limits.roomBytesMax",
  },
  LIMIT_NAMESPACES: {
    status: 429,
    retry: false,
    text: "Too many namespaces: limits.namespacesMax is reached",
  },
  OVERLOADED: { status: 503, retry: true, text: "The gateway is overloaded" },
  // socket: the process.
  SOCKET_NO_DESCRIPTORS: {
    status: 503,
    retry: true,
    text: "The process has no free file descriptors for new connections",
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
  /** HTTP status of the answer. */
  readonly status: number;
  /** Whether the same request may succeed later, unchanged. */
  readonly retry: boolean;
  /** One sentence, without a full stop. */
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
  /** Names the row. */
  readonly code: FailureCode;
  /** What exactly failed, and where. */
  readonly detail: string | undefined;
  /** Makes the error of a row; its message is the row's text, and the detail. */
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
