import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t } from "uWebSockets.js";
import type { CloseReason } from "../core/closes.ts";
import type { Log } from "../core/log.ts";
import { createLeftOut } from "../host/headers.ts";
import {
  asksForWebSocket,
  IncomingRequest,
  isAmbiguous,
  namesNoSession,
  type RequestNeeds,
} from "../host/request.ts";
import type { SafeResponse } from "../host/response.ts";
import { answer, answerAtDoor, answerRefusal } from "./answer.ts";
import { Connection, type ConnectionNeeds, type ConnectionServer } from "./connection.ts";
import type { Door } from "./door.ts";
import {
  applyMiddlewares,
  checkEngineIo,
  type EngineOptions,
  type EngineRequest,
  EngineServer,
  type EngineSocketBase,
  type EngineTransportBase,
  FORBIDDEN,
  formatCookie,
} from "./engine-io.ts";
import { isBusy, takePayloads } from "./polling.ts";
import type { RefusalReason } from "./samples.ts";
import { isWebSocket, type WebSocketData, WebSocketTransport } from "./websocket.ts";

/** A topic every WebSocket is in: old binaries forget queued messages with the last topic. */
const KEEP_TOPIC = "k";

/**
 * engine.io's errors by their code (its `Server.errors`), as reasons of refusal and in its words.
 */
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

/** What the engine needs besides what its connections need. */
export interface EngineNeeds extends ConnectionNeeds {
  readonly log: Log;
  readonly encrypted: boolean;
  readonly door?: Door | undefined;
  /** Seconds after which a refused client may come back; undefined while clients are welcome. */
  draining(): number | undefined;
}

/** Where a response to an upgrade request finds its WebSocket handshake. */
interface Handshake {
  readonly key: string;
  readonly protocol: string;
  readonly extensions: string;
}

/** What listeners of `headers` and `initial_headers` add to. */
type HeadersHeard = Record<string, unknown>;

/**
 * The Engine.IO server of one Socket.IO server: stock long-polling and protocol rules, with
 * connections and a WebSocket transport of its own.
 *
 * No request can crash it: everything is copied before the first asynchronous step, nothing touches
 * a response after its end, and an upgrade is only ever one to a WebSocket.
 */
export class GatewayEngine extends EngineServer implements ConnectionServer {
  readonly needs: EngineNeeds;
  readonly reading: RequestNeeds;
  /** The reason for connections that this engine itself closes at present. */
  closing: CloseReason | undefined;

  constructor(options: Partial<EngineOptions>, needs: EngineNeeds) {
    checkEngineIo();
    super(options);
    this.needs = needs;
    this.reading = { encrypted: needs.encrypted, leftOut: createLeftOut(needs.log) };
  }

  override attach(app: TemplatedApp, options: { path?: string; addTrailingSlash?: boolean }): void {
    const path = this._computePath(options) || "/"; // no request has a shorter one
    app.any(path, (res, req) => this.#request(res, req));
    app.ws<WebSocketData>(path, {
      maxPayloadLength: this.opts.maxHttpBufferSize,
      // Nothing is ever dropped: who holds too much is closed instead. Engine.IO has heartbeats.
      maxBackpressure: 0,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (res, req, context) => this.#upgrade(res, req, context),
      open(ws) {
        ws.subscribe(KEEP_TOPIC);
        const { transport } = ws.getUserData();
        if (transport) transport.opened(ws);
        else ws.end();
      },
      message(ws, message, isBinary) {
        ws.getUserData().transport?.heard(Buffer.from(message), isBinary);
      },
      ping: (ws) => ws.getUserData().transport?.pinged(),
      drain: (ws) => ws.getUserData().transport?.drained(),
      close(ws, code, message) {
        const { transport, response } = ws.getUserData();
        transport?.closed(code, Buffer.from(message).toString());
        response?.emit("close");
      },
    });
  }

  override createTransport(name: string, request: EngineRequest): EngineTransportBase {
    if (name === "websocket") return new WebSocketTransport(request);
    return takePayloads(super.createTransport(name, request));
  }

  override close(): this {
    this.closing ??= "shutdown";
    return super.close();
  }

  /** Middlewares get the response as it is, which has what they know of Node.js' http server. */
  override _applyMiddlewares(
    request: EngineRequest,
    res: SafeResponse,
    done: (error?: unknown) => void,
  ): void {
    applyMiddlewares.call(this, request, res, done);
  }

  /** Answers a request of the long-polling transport. */
  #request(raw: HttpResponse, req: HttpRequest): void {
    const request = new IncomingRequest(req, raw, this.reading);
    const res = request.res as SafeResponse; // the request has just made it
    if (request.method === "POST" && this.middlewares.length > 0 && !this.#hold(request)) return;
    this.#check(request, false, () => {
      // As on Node.js' http server, where a transport answers, its status counts.
      res.statusCode = 200;
      const session = this.#session(request);
      if (session && session.transport.name !== "polling") {
        this.#refuse(request, BAD_REQUEST, { name: "TRANSPORT_MISMATCH" });
      } else if (session && isBusy(session.transport, request.method)) {
        refuseOverlap(session, res);
      } else if (session) {
        session.transport.onRequest(request);
      } else {
        void this.#shake(request, res);
      }
    });
  }

  /**
   * Holds a payload, for which a middleware may take its time, if there is the session that it
   * names: one of a session, or its client could have any number of them held. Returns false when
   * it was refused.
   */
  #hold(request: EngineRequest): boolean {
    const session = this.#session(request);
    if (!session) return true; // it is refused later, and its body is wanted by nobody
    const connection = session as Connection; // this engine makes no others
    const res = request.res as SafeResponse; // set until a transport takes it
    if (connection.waiting) refuseOverlap(session, res);
    else res.holdBody(this.opts.maxHttpBufferSize, connection);
    return !res.done;
  }

  /** Answers an upgrade request: a new session, or one that comes from long-polling. */
  #upgrade(raw: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const handshake = {
      key: req.getHeader("sec-websocket-key"),
      protocol: req.getHeader("sec-websocket-protocol"),
      extensions: req.getHeader("sec-websocket-extensions"),
    };
    const request = new IncomingRequest(req, raw, this.reading);
    const res = request.res as SafeResponse; // the request has just made it
    this.#check(request, true, () => {
      const session = this.#session(request);
      if (!session) {
        void this.#shake(request, res).then((transport) => {
          if (transport) this.#switch(request, res, transport, handshake, context);
        });
        return;
      }
      // One too many gets what it asked for, and then its end: so it is on Node.js' http server.
      const welcome = session.transport.name === "polling" && !session.upgrading;
      const transport = welcome ? this.createTransport("websocket", request) : undefined;
      if (transport) session._maybeUpgrade(transport);
      this.#switch(request, res, transport, handshake, context);
    });
  }

  /** Calls `go` unless the request is refused or its client has left meanwhile. */
  #check(request: EngineRequest, upgrade: boolean, go: () => void): void {
    const res = request.res as SafeResponse; // set until a transport takes it
    if (isAmbiguous(request.headers)) {
      // Nothing is answered: uWebSockets.js would go on with the bytes after it.
      this.#count("bad_request");
      res.close();
      return;
    }
    const { door, samples } = this.needs;
    if (door && answerAtDoor({ door, request, res, refused: samples.refused })) return;
    if (this.#turnsAway(request)) return;
    this._applyMiddlewares(request, res, (error) => {
      if (res.done) return;
      if (error) {
        this.#refuse(request, BAD_REQUEST, { name: "MIDDLEWARE_FAILURE" });
        return;
      }
      // engine.io knows polling and would make a session of it that no WebSocket carries.
      const wrong = request._query.transport === "polling" || !asksForWebSocket(request);
      if (upgrade && wrong) {
        this.#refuse(request, BAD_REQUEST, { name: "TRANSPORT_HANDSHAKE_ERROR" });
        return;
      }
      this.verify(request, upgrade, (code, why) => {
        if (res.done) return;
        if (code !== undefined) this.#refuse(request, code, why);
        else if (!this.#turnsAway(request)) go(); // a stop may have begun meanwhile
      });
    });
  }

  /** Refuses a handshake while clients shall go elsewhere; returns whether it did. */
  #turnsAway(request: EngineRequest): boolean {
    const wait = namesNoSession(request._query) ? this.needs.draining() : undefined;
    if (wait === undefined) return false;
    this.#count("draining");
    const headers = [["Retry-After", String(wait)]] as const;
    const body = { code: FORBIDDEN, message: "Draining" };
    // As in #refuse().
    answer(request.res as SafeResponse, "503 Service Unavailable", body, headers);
    return true;
  }

  /** Refuses a handshake that waited until others had taken its room; returns whether it did. */
  #isFull(request: EngineRequest): boolean {
    const { door, samples } = this.needs;
    if (!door) return false;
    const res = request.res as SafeResponse; // as in #refuse()
    return answerRefusal({ door, request, res, refused: samples.refused }, door.fit(request));
  }

  #session(request: EngineRequest) {
    const { sid } = request._query;
    return sid !== undefined && Object.hasOwn(this.clients, sid) ? this.clients[sid] : undefined;
  }

  /** Makes a session, if the protocol version is one that is spoken here. */
  async #shake(
    request: EngineRequest,
    res: SafeResponse,
  ): Promise<EngineTransportBase | undefined> {
    if (request._query.EIO !== "4" && !this.opts.allowEIO3) {
      this.#refuse(request, BAD_PROTOCOL, {});
      return undefined;
    }
    const id = await this.#name(request);
    if (res.aborted || id === undefined || this.#isFull(request)) return undefined;
    const transport = this.createTransport(request._query.transport ?? "", request);
    transport.maxHttpBufferSize = this.opts.maxHttpBufferSize;
    transport.httpCompression = this.opts.httpCompression;
    const connection = new Connection(id, this, transport, request);
    this.needs.door?.opened(connection);
    transport.on("headers", (headers: HeadersHeard, of: EngineRequest) => {
      const { cookie } = this.opts;
      if (!of._query.sid && cookie) headers["Set-Cookie"] = formatCookie(id, cookie);
      const to = transport.dataReq === of ? transport.dataRes : transport.res;
      if (to) this.#addHeaders(of, to, headers);
    });
    transport.onRequest(request);
    this.clients[id] = connection;
    this.clientsCount++;
    connection.once("close", () => {
      delete this.clients[id];
      this.clientsCount--;
      this.needs.door?.closed(connection);
    });
    // The client may leave before its WebSocket is open: then there is no other sign of it.
    if (isWebSocket(transport)) {
      res.onAborted(() => transport.closed(1006, "Received TCP FIN before the upgrade"));
    }
    this.emit("connection", connection);
    return transport;
  }

  /** Returns an id, or refuses the request when the server's own `generateId` fails. */
  async #name(request: EngineRequest): Promise<string | undefined> {
    try {
      return await this.generateId(request);
    } catch (error) {
      this.#refuse(request, BAD_REQUEST, { name: "ID_GENERATION_ERROR", error });
      return undefined;
    }
  }

  #switch(
    request: EngineRequest,
    res: SafeResponse,
    transport: EngineTransportBase | undefined,
    handshake: Handshake,
    context: us_socket_context_t,
  ): void {
    this.#addHeaders(request, res, {});
    const owned = transport && isWebSocket(transport) ? transport : undefined;
    const response = this.middlewares.length > 0 ? res : undefined;
    res.upgrade({ transport: owned, response }, handshake, context);
    request.socket.carrier = owned;
    request.res = null; // as long-polling does: the connection keeps its first request
  }

  /** Lets listeners add headers, and takes all of them: engine.io would write each as one text. */
  #addHeaders(request: EngineRequest, res: SafeResponse, headers: HeadersHeard): void {
    if (!request._query.sid) this.emit("initial_headers", headers, request);
    this.emit("headers", headers, request);
    const written = new Set<string>();
    for (const [name, value] of Object.entries(headers)) {
      const key = name.toLowerCase();
      // Beside the cookie of the session, which is `Set-Cookie`, one may be spelled `set-cookie`.
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

  #refuse(request: EngineRequest, code: number, why: Record<string, unknown> = {}): void {
    const [reason, message] = ERRORS[code] ?? ["bad_request", "Bad request"];
    this.#count(reason);
    this.emit("connection_error", { req: request, code, message, context: why });
    const text = typeof why.message === "string" ? why.message : message;
    const status = code === FORBIDDEN ? "403 Forbidden" : "400 Bad Request";
    // Refused before any transport took it.
    answer(request.res as SafeResponse, status, { code, message: text });
  }
}

/** Ends a session whose client sends a request before another of its kind is over (protocol v4). */
function refuseOverlap({ transport }: EngineSocketBase, res: SafeResponse): void {
  transport.onError("overlap from client");
  res.writeStatus("400 Bad Request").end();
}
