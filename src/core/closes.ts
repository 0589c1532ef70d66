/**
 * Why a connection ended: every closed connection is counted under exactly one row.
 *
 * `by` is who ended it; `disconnect` is the reason the server's `disconnect` event carries, one of
 * those Socket.IO documents; `returns` says whether the client's own reconnection brings it back.
 */
export const CLOSES = {
  // The peer or the network.
  client_closed: {
    by: "client",
    disconnect: "transport close",
    returns: false,
    text: "the client closed the transport",
  },
  connection_lost: {
    by: "network",
    disconnect: "transport close",
    returns: true,
    text: "the TCP connection ended without a close frame",
  },
  transport_error: {
    by: "network",
    disconnect: "transport error",
    returns: true,
    text: "the transport failed",
  },
  ping_timeout: {
    by: "server",
    disconnect: "ping timeout",
    returns: true,
    text: "no pong within socket.pingTimeoutMs",
  },
  // The application.
  server_closed: {
    by: "server",
    disconnect: "forced close",
    returns: false,
    text: "the application closed the connection",
  },
  // The gateway.
  bad_packet: {
    by: "server",
    disconnect: "parse error",
    returns: true,
    text: "a packet was refused by the codec",
  },
  bad_frame: {
    by: "server",
    disconnect: "transport close",
    returns: true,
    text: "a WebSocket frame broke the protocol or socket.packetBytesMax",
  },
  slow_consumer: {
    by: "server",
    disconnect: "transport error",
    returns: true,
    text: "unsent bytes exceeded socket.bufferBytesMax, or nothing drained for socket.stallMsMax",
  },
  connect_timeout: {
    by: "server",
    disconnect: "forced server close",
    returns: true,
    text: "no namespace was joined within socket.connectTimeoutMs",
  },
  max_age: {
    by: "server",
    disconnect: "transport close",
    returns: true,
    text: "older than socket.connectionAgeMaxMs",
  },
  shutdown: {
    by: "server",
    disconnect: "server shutting down",
    returns: true,
    text: "the gateway is stopping",
  },
} as const satisfies Record<string, Close>;

/** One row of the table of closes. */
export interface Close {
  readonly by: "client" | "network" | "server";
  readonly disconnect: string;
  readonly returns: boolean;
  readonly text: string;
}

/** The name of a close, as `sluice_connections_closed_total{reason}` and the logs show it. */
export type CloseReason = keyof typeof CLOSES;
