import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t } from "uWebSockets.js";
import type { CloseReason } from "../core/closes.ts";
import type { Log } from "../core/log.ts";
import { createLeftOut } from "../host/headers.ts";
import { createReading, type Reading } from "../host/reading.ts";
import {
  asksForWebSocket,
  IncomingRequest,
  isAmbiguous,
  namesNoSession,
  type RequestNeeds,
} from "../host/request.ts";
import type { SafeResponse } from "../host/response.ts";
import {
  checkEngineIo,
  computePath,
  type EngineOptions,
  EngineServer,
  type EngineSocketBase,
  type EngineTransportBase,
  FORBIDDEN,
  formatCookie,
  runMiddlewares,
  startUpgrade,
} from "../seam/engine-io.ts";
import { Connection, type ConnectionNeeds, type ConnectionServer } from "./connection.ts";
import { createId } from "./ids.ts";
import { isBusy, takePayloads } from "./polling.ts";
import { type Door, respond, respondAtDoor, respondRefusal } from "./respond.ts";
import type { RefusalReason } from "./samples.ts";
import { isWebSocket, type WebSocketData, WebSocketTransport } from "./websocket.ts";

/**
 * A topic that every WebSocket subscribes to. Older binaries drop queued messages when a WebSocket
 * leaves its last topic.
 */
const KEEP_TOPIC = "k";

/** The refusal reason and engine.io's message for each error code, as in its `Server.errors`. */
const ERRORS: readonly (readonly [RefusalReason, string])[] = [
  ["unknown_transport", "Transport unknown"],
  ["unknown_session", "Session ID unknown"],
  ["bad_method", "Bad handshake method"],
  ["bad_request", "Bad request"],
  ["forbidden", "Forbidden"],
  ["bad_protocol", "Unsupported protocol version"],
];

const BAD_REQUEST = 3;
const BAD_PROTOCOL = 5;

/** What the engine needs, besides what its connections need. */
export interface EngineNeeds extends ConnectionNeeds {
  readonly log: Log;
  readonly encrypted: boolean;
  readonly proxyProtocol: boolean;
  readonly door?: Door | undefined;
  /** Seconds after which a refused client may retry; undefined while handshakes are accepted. */
  draining(): number | undefined;
}

/** The headers of an upgrade request that the WebSocket handshake needs. */
interface Handshake {
  readonly key: string;
  readonly protocol: string;
  readonly extensions: string;
}

/** Response headers, to which listeners of `headers` and `initial_headers` add. */
type AddedHeaders = Record<string, unknown>;

/**
 * The Engine.IO server of one Socket.IO server. Long-polling and the protocol are engine.io's;
 * connections and the WebSocket transport are Sluice's.
 *
 * No request can crash it: requests are copied before the first asynchronous step, no response is
 * touched after its end, and only WebSocket upgrades are accepted.
 */
export class GatewayEngine extends EngineServer implements ConnectionServer {
  readonly needs: EngineNeeds;
  readonly reading: RequestNeeds;
  /** The close reason of connections that this engine is closing now, if it is. */
  closing: CloseReason | undefined;
  /** Of the one app that it is attached to. */
  #reading: Reading | undefined;
  /** The request that came in this turn of the event loop: the door has just checked it. */
  #arrived: IncomingRequest | undefined;

  constructor(options: Partial<EngineOptions>, needs: EngineNeeds) {
    checkEngineIo();
    super(options);
    this.needs = needs;
    const { encrypted, proxyProtocol, log } = needs;
    this.reading = { encrypted, proxyProtocol, leftOut: createLeftOut(log) };
  }

  override attach(app: TemplatedApp, options: { path?: string; addTrailingSlash?: boolean }): void {
    const path = computePath(this, options) || "/"; // the shortest path a request can have
    app.any(path, (res, req) => this.#request(res, req));
    app.ws<WebSocketData>(path, {
      maxPayloadLength: this.opts.maxHttpBufferSize,
      // Never drop a message: slow consumers are closed instead. Engine.IO has its own heartbeats.
      maxBackpressure: 0,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (res, req, context) => this.#upgrade(res, req, context),
      open(ws) {
        ws.subscribe(KEEP_TOPIC);
        const { transport } = ws.getUserData();
        if (transport) transport.onOpen(ws);
        else ws.end();
      },
      message(ws, message, isBinary) {
        ws.getUserData().transport?.onMessage(Buffer.from(message), isBinary);
      },
      ping: (ws) => ws.getUserData().transport?.onPing(),
      drain: (ws) => ws.getUserData().transport?.onDrain(),
      close(ws, code, message) {
        const { transport, response } = ws.getUserData();
        transport?.onEnd(code, Buffer.from(message).toString());
        response?.emit("close");
      },
    });
  }

  override createTransport(name: string, request: IncomingRequest): EngineTransportBase {
    // Only an upgrade creates one: see #upgrade().
    if (name === "websocket")
      return new WebSocketTransport(request, this.#reading as Reading, this.needs.writes);
    return takePayloads(super.createTransport(name, request));
  }

  /** As engine.io's own, without its two buffers an id. */
  override generateId(_request: IncomingRequest): string | PromiseLike<string> {
    return createId();
  }

  override close(): this {
    this.closing ??= "shutdown";
    return super.close();
  }

  /** Answers a request of the long-polling transport. */
  #request(raw: HttpResponse, req: HttpRequest): void {
    const request = new IncomingRequest(req, raw, this.reading);
    const res = request.res as SafeResponse; // the request has just made it
    if (request.method === "POST" && this.middlewares.length > 0 && !this.#holdPayload(request))
      return;
    this.#check(request, false, () => {
      // Undo a status that a middleware set: on Node.js' http server the transport's 200 wins too.
      res.statusCode = 200;
      const session = this.#session(request);
      if (session && session.transport.name !== "polling") {
        this.#refuse(request, BAD_REQUEST, { name: "TRANSPORT_MISMATCH" });
      } else if (session && isBusy(session.transport, request.method)) {
        refuseOverlap(session, res);
      } else if (session) {
        session.transport.onRequest(request);
      } else {
        this.#openSession(request, res);
      }
    });
  }

  /**
   * Buffers a request's payload while middlewares run, if its session exists. Each session may have
   * one buffered, or a client could fill memory with them. Returns false if it refused the request.
   */
  #holdPayload(request: IncomingRequest): boolean {
    const session = this.#session(request);
    if (!session) return true; // refused later; its body is not needed
    const connection = session as Connection; // this engine creates only Connections
    const res = request.res as SafeResponse; // set until a transport takes it
    if (connection.waiting) refuseOverlap(session, res);
    else res.holdBody(this.opts.maxHttpBufferSize, connection);
    return !res.done;
  }

  /** Answers an upgrade request: of a new session, or of one that uses long-polling now. */
  #upgrade(raw: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    this.#reading ??= createReading(raw);
    const request = new IncomingRequest(req, raw, this.reading);
    const { headers } = request;
    const handshake = {
      key: headers["sec-websocket-key"] ?? "",
      protocol: headers["sec-websocket-protocol"] ?? "",
      extensions: headers["sec-websocket-extensions"] ?? "",
    };
    const res = request.res as SafeResponse; // the request has just made it
    this.#check(request, true, () => {
      const session = this.#session(request);
      if (!session) {
        this.#openSession(request, res, (transport) =>
          this.#upgradeTo(request, res, { transport, handshake, context }),
        );
        return;
      }
      // A second WebSocket of a session is opened and then closed, as on Node.js' http server.
      const mayUpgrade = session.transport.name === "polling" && !session.upgrading;
      const transport = mayUpgrade ? this.createTransport("websocket", request) : undefined;
      // Its client waits for the response to its last payload before it upgrades. The cast holds:
      // this engine creates only Connections.
      if (transport) (session as Connection).pause?.release();
      if (transport) startUpgrade(session, transport);
      this.#upgradeTo(request, res, { transport, handshake, context });
    });
  }

  /** Calls `go`, unless the request is refused or its client leaves before all checks are done. */
  #check(request: IncomingRequest, upgrade: boolean, go: () => void): void {
    this.#arrived = request;
    this.#checkArrived(request, upgrade, go);
    this.#arrived = undefined;
  }

  #checkArrived(request: IncomingRequest, upgrade: boolean, go: () => void): void {
    const res = request.res as SafeResponse; // set until a transport takes it
    if (isAmbiguous(request.headers)) {
      // Close without a response: after one, uWebSockets.js would parse the bytes that follow.
      this.#count("bad_request");
      res.close();
      return;
    }
    const { door, samples } = this.needs;
    if (door && respondAtDoor({ door, request, res, upgrade, refused: samples.refused })) return;
    if (this.#refuseDraining(request)) return;
    if (this.middlewares.length === 0) {
      this.#verify(request, upgrade, go);
      return;
    }
    runMiddlewares(this, request, res, (error) => {
      if (res.done) return;
      if (error) this.#refuse(request, BAD_REQUEST, { name: "MIDDLEWARE_FAILURE" });
      else this.#verify(request, upgrade, go);
    });
  }

  /** Applies engine.io's own rules. */
  #verify(request: IncomingRequest, upgrade: boolean, go: () => void): void {
    // engine.io would accept `polling` and create a session that no WebSocket carries.
    if (upgrade && (request._query.transport === "polling" || !asksForWebSocket(request))) {
      this.#refuse(request, BAD_REQUEST, { name: "TRANSPORT_HANDSHAKE_ERROR" });
      return;
    }
    const res = request.res as SafeResponse; // set until a transport takes it
    this.verify(request, upgrade, (code, why) => {
      if (res.done) return;
      if (code !== undefined) this.#refuse(request, code, why);
      else if (!this.#refuseDraining(request)) go(); // a drain may have begun meanwhile
    });
  }

  /** Refuses a handshake while the gateway drains; returns whether it did. */
  #refuseDraining(request: IncomingRequest): boolean {
    const wait = namesNoSession(request._query) ? this.needs.draining() : undefined;
    if (wait === undefined) return false;
    this.#count("draining");
    const headers = [["Retry-After", String(wait)]] as const;
    const body = { code: FORBIDDEN, message: "Draining" };
    // The cast holds as in #refuse().
    respond(request.res as SafeResponse, "503 Service Unavailable", { body, headers });
    return true;
  }

  /**
   * Refuses a handshake if others reached a limit while it waited; returns whether it did.
   */
  #refuseFull(request: IncomingRequest): boolean {
    const { door, samples } = this.needs;
    if (!door || this.#arrived === request) return false;
    const res = request.res as SafeResponse; // the cast holds as in #refuse()
    return respondRefusal({ res, refused: samples.refused }, door.recheck(request));
  }

  #session(request: IncomingRequest) {
    const { sid } = request._query;
    return sid !== undefined && Object.hasOwn(this.clients, sid) ? this.clients[sid] : undefined;
  }

  /**
   * Creates a session, or refuses its protocol version. Calls `opened` with its transport: in this
   * turn, unless `generateId` returns a promise.
   */
  #openSession(
    request: IncomingRequest,
    res: SafeResponse,
    opened?: (transport: EngineTransportBase) => void,
  ): void {
    if (request._query.EIO !== "4" && !this.opts.allowEIO3) {
      this.#refuse(request, BAD_PROTOCOL, {});
      return;
    }
    const go = (id: string): void => {
      if (res.aborted || this.#refuseFull(request)) return;
      const transport = this.#createSession(id, request, res);
      opened?.(transport);
    };
    let id: string | PromiseLike<string>;
    try {
      id = this.generateId(request);
    } catch (error) {
      this.#refuseId(request, error);
      return;
    }
    if (typeof id !== "string") {
      // Without a promise the application has returned a value of another type, as in engine.io.
      void Promise.resolve(id).then(go, (error: unknown) => this.#refuseId(request, error));
      return;
    }
    try {
      go(id);
    } catch (error) {
      // Of a listener. Thrown from here, it would end the process before Node.js could report it.
      void Promise.reject(error);
    }
  }

  /** Refuses a request because `generateId` failed. */
  #refuseId(request: IncomingRequest, error: unknown): void {
    this.#refuse(request, BAD_REQUEST, { name: "ID_GENERATION_ERROR", error });
  }

  #createSession(id: string, request: IncomingRequest, res: SafeResponse): EngineTransportBase {
    const transport = this.createTransport(request._query.transport ?? "", request);
    const connection = new Connection(id, this, transport, request);
    connection.takePacket = this.needs.door?.opened(connection);
    if (!isWebSocket(transport)) this.#servePolls(id, transport);
    this.clients[id] = connection;
    this.clientsCount++;
    transport.onRequest(request);
    this.emit("connection", connection);
    // A listener may have ended the TCP connection. There is no WebSocket yet that tells of it.
    if (isWebSocket(transport) && res.aborted) {
      transport.onEnd(1006, "Received TCP FIN before the upgrade");
    }
    return transport;
  }

  /** Prepares the long-polling transport of a session. */
  #servePolls(id: string, transport: EngineTransportBase): void {
    transport.maxHttpBufferSize = this.opts.maxHttpBufferSize;
    transport.httpCompression = this.opts.httpCompression;
    transport.on("headers", (headers: AddedHeaders, of: IncomingRequest) => {
      const { cookie } = this.opts;
      if (!of._query.sid && cookie) headers["Set-Cookie"] = formatCookie(id, cookie);
      const to = transport.dataReq === of ? transport.dataRes : transport.res;
      // The cast holds: every response of this engine is a SafeResponse.
      if (to) this.#addHeaders(of, to as SafeResponse, headers);
    });
  }

  forget(connection: Connection): void {
    delete this.clients[connection.id];
    this.clientsCount--;
    this.needs.door?.closed(connection);
  }

  #upgradeTo(
    request: IncomingRequest,
    res: SafeResponse,
    {
      transport,
      handshake,
      context,
    }: {
      readonly transport: EngineTransportBase | undefined;
      readonly handshake: Handshake;
      readonly context: us_socket_context_t;
    },
  ): void {
    this.#addHeaders(request, res, {});
    const owned = transport && isWebSocket(transport) ? transport : undefined;
    const response = this.middlewares.length > 0 ? res : undefined;
    res.upgrade({ transport: owned, response }, handshake, context);
    request.socket.carrier = owned;
    request.res = null; // free it: the connection keeps its request
  }

  /**
   * Calls the header listeners, then writes and removes all headers: engine.io would write a list
   * of values as one.
   */
  #addHeaders(request: IncomingRequest, res: SafeResponse, headers: AddedHeaders): void {
    if (!request._query.sid) this.emit("initial_headers", headers, request);
    this.emit("headers", headers, request);
    const given = Object.entries(headers);
    if (given.length === 0) return;
    const written = new Set<string>();
    for (const [name, value] of given) {
      const key = name.toLowerCase();
      // A listener may add `set-cookie` next to the session's own `Set-Cookie`: send both.
      if (written.has(key)) res.appendHeader(name, value);
      else res.setHeader(name, value);
      written.add(key);
      delete headers[name];
    }
  }

  #count(reason: RefusalReason): void {
    const { refused } = this.needs.samples;
    refused[reason] = (refused[reason] ?? 0) + 1;
  }

  #refuse(request: IncomingRequest, code: number, why: Record<string, unknown> = {}): void {
    const [reason, message] = ERRORS[code] ?? ["bad_request", "Bad request"];
    this.#count(reason);
    this.emit("connection_error", { req: request, code, message, context: why });
    const text = typeof why.message === "string" ? why.message : message;
    const status = code === FORBIDDEN ? "403 Forbidden" : "400 Bad Request";
    // The cast holds: `res` is set until a transport takes it, and none has.
    respond(request.res as SafeResponse, status, { body: { code, message: text } });
  }
}

/** Ends a session whose client sent two GETs or two POSTs at once (against protocol v4). */
function refuseOverlap({ transport }: EngineSocketBase, res: SafeResponse): void {
  transport.onError("overlap from client");
  res.writeStatus("400 Bad Request").end();
}
