import type { DefaultEventsMap, Server, Socket } from "socket.io";

/** What Socket.IO leaves unchecked unless you declare it: its own default for `socket.data`. */
export type Unchecked = Socket["data"];

/** Events by their names, as Socket.IO wants them declared: `{ news: (text: string) => void }`. */
export interface EventsMap {
  [event: string]: Unchecked;
}

/**
 * The default export of the file that `handlers.module` names. It registers listeners on the
 * gateway's Socket.IO server, and is waited for before the gateway listens.
 *
 * The parameters are those of Socket.IO's `Server`, with its defaults: events that clients send,
 * events that they get, events between nodes, and `socket.data`.
 */
export type HandlerModule<
  ClientToServer extends EventsMap = DefaultEventsMap,
  ServerToClient extends EventsMap = ClientToServer,
  ServerSide extends EventsMap = DefaultEventsMap,
  Data = Unchecked,
> = (io: Server<ClientToServer, ServerToClient, ServerSide, Data>) => void | Promise<void>;
