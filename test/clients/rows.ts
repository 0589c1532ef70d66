/** What the suite tries with each client: the row's name and what it shows, for docs/clients.md. */
export const ROWS = {
  websocket: "Connects over WebSocket alone.",
  polling: "Connects over HTTP long-polling alone.",
  upgrade: "Begins with long-polling, then changes to WebSocket.",
  auth: "Is refused without a valid token, and hears the message and the code.",
  "ack-to-server": "Emits an event, and gets the server's acknowledgement with all its values.",
  "ack-to-client": "Acknowledges an event of the server's with a value.",
  "binary-to-server": "Sends bytes, also nested in objects and lists.",
  "binary-to-client": "Receives bytes the same way, in an event and in an acknowledgement.",
  "binary-polling": "Sends and receives bytes over long-polling alone.",
  rooms: "Talks with a JavaScript client that speaks msgpack in the same room.",
  "rooms-binary": "As before, with bytes.",
  namespace: "Uses a second namespace.",
  "namespace-refused":
    "Is refused by a namespace's middleware, and hears the message and the data.",
  "server-disconnect": "Is told when the server disconnects it, and can connect again.",
  "client-disconnect": "Is told of its own disconnect.",
  "reconnect-after-close": "Connects again by itself after the server closed the connection.",
  "reconnect-after-cut": "Connects again by itself after the network cut the connection.",
} as const;

/** A row's name. */
export type RowName = keyof typeof ROWS;

/** The only row of a client of Socket.IO 2. */
export const REFUSAL = "refusal";

/** How a row went. */
export type Result = "works" | "fails" | "not offered";

/** What a client's program says of one row. */
export interface RowResult {
  readonly result: Result;
  /** What the client tells its application about the end of the connection. */
  readonly reason?: string;
  /** What went wrong, or what is missing. */
  readonly detail?: string;
}

/** What a client's program says of itself. */
export interface ClientInfo {
  readonly client: string;
  readonly version: string;
  readonly runtime: string;
}

/** A client's results, by row. */
export interface ClientReport extends ClientInfo {
  readonly rows: Readonly<Record<string, RowResult>>;
}
