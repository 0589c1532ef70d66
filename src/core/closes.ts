/**
 * Why a connection ended: every closed connection is counted under exactly one row.
 *
 * `disconnect` is the reason of the server's `disconnect` event, one of those that Socket.IO
 * documents. `code` is the WebSocket close code that is sent when Sluice closes. `how` says what
 * happens to unsent data: `flush` sends it before the close frame, `end` sends the close frame at
 * once, `cut` drops it and the TCP connection. With long-polling every close by the server is a
 * `flush`, because the next poll delivers what is unsent; only `overload` and `ping_timeout` are
 * not. Clients reconnect by themselves after every close except their own. A disconnect from a
 * namespace is not a close and is not listed here.
 */
export const CLOSES = {
  // The peer or the network.
  client_closed: {
    by: "client",
    disconnect: "transport close",
    code: 1000,
    how: "end",
    text: "the client closed the transport",
  },
  connection_lost: {
    by: "network",
    disconnect: "transport close",
    code: 1006,
    how: "cut",
    text: "the TCP connection ended without a close frame",
  },
  transport_error: {
    by: "network",
    disconnect: "transport error",
    code: 1011,
    how: "end",
    text: "the transport failed, or long-polling requests broke the protocol",
  },
  bad_frame: {
    by: "client",
    disconnect: "transport close",
    code: 1002,
    how: "cut",
    text: "a WebSocket frame broke the protocol, or was larger than socket.packetBytesMax",
  },
  ping_timeout: {
    by: "server",
    disconnect: "ping timeout",
    code: 1001,
    how: "end",
    text: "the client sent no pong within socket.pingTimeoutMs",
  },
  // The application.
  server_closed: {
    by: "server",
    disconnect: "forced close",
    code: 1000,
    how: "flush",
    text: "the application closed the connection",
  },
  // The gateway.
  bad_packet: {
    by: "server",
    disconnect: "parse error",
    code: 1008,
    how: "end",
    text: "a packet was not valid, or above a limit of the codec",
  },
  stray_packet: {
    by: "server",
    disconnect: "forced close",
    code: 1008,
    how: "flush",
    text: "the client sent a packet for a namespace that it has not joined, or joined one twice",
  },
  slow_consumer: {
    by: "server",
    disconnect: "transport error",
    code: 1013,
    how: "cut",
    text: "unsent bytes were above socket.bufferBytesMax, or made no progress for socket.stallMsMax",
  },
  connect_timeout: {
    by: "server",
    disconnect: "forced server close",
    code: 1000,
    how: "end",
    text: "the client joined no namespace within socket.connectTimeoutMs",
  },
  token_expired: {
    by: "server",
    disconnect: "forced server close",
    code: 1008,
    how: "flush",
    text: "the token expired and was not refreshed",
  },
  upstream_full: {
    by: "server",
    disconnect: "forced server close",
    code: 1013,
    how: "flush",
    text: "the queue for functions was full: upstream.full is close, or is pause and upstream.pausedBytesMax was exceeded",
  },
  node_lost: {
    by: "server",
    disconnect: "forced server close",
    code: 1012,
    how: "end",
    text: "this node was silent for cluster.leaseMs, and another node reported its sockets as disconnected",
  },
  session_moved: {
    by: "server",
    disconnect: "forced server close",
    code: 1012,
    how: "end",
    text: "the client resumed its session on another node, which considered this node dead",
  },
  stream_gap: {
    by: "server",
    disconnect: "forced server close",
    code: 1012,
    how: "end",
    text: "messages from other nodes may be lost: they were no longer kept when this node read on",
  },
  rate_exceeded: {
    by: "server",
    disconnect: "forced server close",
    code: 1008,
    how: "end",
    text: "limits.eventsPerSecond or limits.bytesPerSecond was exceeded",
  },
  acks_exceeded: {
    by: "server",
    disconnect: "forced server close",
    code: 1008,
    how: "end",
    text: "the client had more than limits.acksPendingMax acknowledgements to send",
  },
  overload: {
    by: "server",
    disconnect: "forced server close",
    code: 1013,
    how: "cut",
    text: "overload protection closed it, so that other connections keep working",
  },
  overload_outside: {
    by: "server",
    disconnect: "forced server close",
    code: 1013,
    how: "cut",
    text: "overload protection closed it to free memory: it had joined no namespace yet",
  },
  outside_exceeded: {
    by: "server",
    disconnect: "forced server close",
    code: 1013,
    how: "cut",
    text: "it had joined no namespace for ten seconds, and limits.outsideMax was reached",
  },
  max_age: {
    by: "server",
    disconnect: "transport close",
    code: 1001,
    how: "flush",
    text: "the connection was older than socket.connectionAgeMaxMs",
  },
  shutdown: {
    by: "server",
    disconnect: "server shutting down",
    code: 1001,
    how: "flush",
    text: "the gateway is stopping",
  },
} as const satisfies Record<string, Close>;

/** One row of the table of closes. */
export interface Close {
  readonly by: "client" | "network" | "server";
  readonly disconnect: string;
  readonly code: number;
  readonly how: "flush" | "end" | "cut";
  readonly text: string;
}

/** The name of a close, as `sluice_connections_closed_total{reason}` and the logs show it. */
export type CloseReason = keyof typeof CLOSES;
