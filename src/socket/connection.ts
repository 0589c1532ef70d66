import { CLOSES, type CloseReason } from "../core/closes.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import { type CodecName, type Frame, type Frames, isEvent, type Packet } from "../core/packet.ts";
import type { BodyOwner } from "../host/response.ts";
import { inWords, readForced, readReason } from "./close-reason.ts";
import type {
  EnginePacket,
  EngineRequest,
  EngineServerBase,
  EngineTransportBase,
} from "./engine-io.ts";
import type { Allowance, Toll } from "./limits.ts";
import { Outbox, type OutboxNeeds } from "./outbox.ts";
import { heardBytes, isWebSocket, type WebSocketTransport } from "./websocket.ts";

/** How long a close waits for the next poll of a client that is in no namespace. */
const STRANGER_GOODBYE_MS = 1000;

/** Reads one connection's frames; the first decides the codec. */
export interface FrameReader {
  readonly name: CodecName | undefined;
  /** After a refusal: a CONNECT_ERROR that tells the client why, where its codec allows one. */
  readonly refusal: Packet | undefined;
  /** Bytes of a packet whose attachments have not all come. */
  readonly heldBytes: number;
  /**
   * Returns a packet, or undefined while attachments are missing; throws `FailureError`. `lasting`
   * says that the frame's bytes stay valid after the call, `outside` that no CONNECT was answered.
   */
  read(frame: Frame, lasting: boolean, outside: boolean): Packet | undefined;
  destroy(): void;
}

/** Where each inbound packet pays: see `Door`. */
export interface PacketDoor {
  take(connection: Connection, bytes: number, message: boolean): Toll;
  owed(connection: Connection): FailureCode;
}

/** What a connection needs of the rooms around it. */
export interface ConnectionNeeds extends OutboxNeeds {
  readonly door?: PacketDoor | undefined;
  /**
   * Returns a new connection's reader; of an Engine.IO 3 connection, which is always JSON, fixed.
   */
  createReader(fixed?: CodecName): FrameReader;
  /** How long a connection may stay outside every namespace, in milliseconds. */
  connectTimeoutMs(): number;
  /** Encodes a packet in one codec. */
  encode(packet: Packet): Frames;
  /** Told whenever `native` of a connection changed. */
  moved(connection: Connection): void;
  /** Told once, when a connection is over. */
  ended(connection: Connection, reason: CloseReason, details: string): void;
}

/** Socket.IO's side of a connection, which it closes as its own `Client` does. */
export interface ConnectionClient {
  /** Ends its sockets, once: it no longer listens to the connection then. */
  onclose(reason: string, details: unknown): void;
}

/** A server that can make connections. */
export interface ConnectionServer extends EngineServerBase {
  readonly needs: ConnectionNeeds;
  /** The reason for connections that the server itself closes at present. */
  readonly closing: CloseReason | undefined;
}

/**
 * One Engine.IO connection: it decodes, counts, knows its codec, tells the truth about pressure and
 * is closed once, with a reason. It is `socket.conn` of every Socket.IO socket it carries, and
 * fan-out's peer.
 */
export class Connection extends Outbox {
  /** Whether topics may serve it: see `Peer` in `fanout/`. */
  native = false;
  /** Set when a Socket.IO CONNECT was answered: it is in a namespace, or was. */
  client: ConnectionClient | undefined;
  closeReason: CloseReason | undefined;
  readonly openedAt = performance.now();
  /** When its client last sent a message. */
  heardAt = this.openedAt;
  /** Bytes its client has sent of packets and payloads that are not complete. */
  inboundBytes = 0;
  /** A payload of its client that waits for a middleware. */
  waiting: BodyOwner["waiting"];
  /** What its rates leave it; the door's. */
  allowance: Allowance | undefined;
  readonly #needs: ConnectionNeeds;
  readonly #reader: FrameReader;
  #codecLabel: CodecName | "unknown" = "unknown";
  #closeDetails: unknown;
  #over = false;
  #goodbye: NodeJS.Timeout | undefined;
  #overRate: FailureCode | undefined;
  /** While Socket.IO looks at a packet; no listener of the application runs that soon. */
  #handing = false;
  /** While sockets hear of a packet that cannot be decoded. */
  #refusing = false;

  constructor(
    id: string,
    engine: ConnectionServer,
    transport: EngineTransportBase,
    request: EngineRequest,
  ) {
    super(engine.needs, [id, engine, transport, request, request._query.EIO === "4" ? 4 : 3]);
    this.#needs = engine.needs;
    this.#reader = engine.needs.createReader(this.protocol === 3 ? "json" : undefined);
    if (this.protocol === 3) this.#codecLabel = "json";
    transport.owner = this;
    this.#needs.samples.opened[transport.name]++;
    this.#count(1);
    this.#needs.monitor.add(this);
  }

  /** Whether it is in a namespace, or was. */
  get joined(): boolean {
    return this.client !== undefined;
  }

  #count(by: 1 | -1): void {
    const key = `${this.transport.name} ${this.#codecLabel}`;
    const { connections } = this.#needs.samples;
    connections[key] = (connections[key] ?? 0) + by;
  }

  // --- in ---

  override onPacket(packet: EnginePacket): void {
    if (this.readyState !== "open") return;
    const { samples } = this.#needs;
    packet.type ??= "error"; // where engine.io's parser of protocol 3 knows no type of binary data
    samples.received[packet.type]++;
    const bytes = heardBytes(this.transport, packet.data);
    samples.receivedBytes += bytes;
    if (packet.type === "pong") this.ponged();
    if (this.#needs.door && !this.#pays(this.#needs.door, packet, bytes)) return;
    if (packet.type !== "message") {
      super.onPacket(packet);
      return;
    }
    packet.data ??= ""; // engine.io leaves it out of an empty message, which is no packet either
    // A WebSocket's bytes are valid only during this call: a listener of the raw packet gets a
    // copy.
    const valid = !isWebSocket(this.transport);
    const lasting = valid || this.listenerCount("packet") > 0;
    if (lasting && !valid && typeof packet.data !== "string")
      packet.data = Buffer.from(packet.data);
    this.emit("packet", packet);
    // As engine.io does: one other packet vouches once for a client that owes a pong.
    if (this.protocol !== 3 && this.pingTimeoutTimer && !this.hasRefreshedPingTimeout) {
      this.pingTimeoutTimer.refresh();
      this.hasRefreshedPingTimeout = true;
    }
    this.#decode(packet.data, lasting);
  }

  /** Whether the packet may come in; one that is refused is decoded all the same and marked. */
  #pays(door: PacketDoor, packet: EnginePacket, bytes: number): boolean {
    const toll = door.take(this, bytes, packet.type === "message");
    if (toll === "refuse" && packet.type === "message") this.#overRate = door.owed(this);
    if (toll === "close") this.closeAs("rate_exceeded");
    return toll !== "close";
  }

  #decode(frame: Frame, lasting: boolean): void {
    let decoded: Packet | undefined;
    const before = this.#reader.heldBytes;
    try {
      decoded = this.#reader.read(frame, lasting, !this.client);
      this.hold(this.#reader.heldBytes - before);
    } catch (error) {
      if (!(error instanceof FailureError)) throw error;
      this.#refuse(error);
      return;
    }
    if (this.#codecLabel === "unknown" && this.#reader.name) this.#speak(this.#reader.name);
    if (!decoded) return;
    if (this.#overRate) {
      // Only now: a refused frame may have been one of several that make a packet.
      if (isEvent(decoded.type)) decoded.refused = this.#overRate;
      this.#overRate = undefined;
    }
    if (decoded.id !== undefined && isEvent(decoded.type)) this.owedAcks++;
    this.#handing = true;
    this.emit("data", decoded);
    this.#handing = false;
  }

  /** So many bytes more are held of what is not complete; fewer, if negative. */
  hold(bytes: number): void {
    if (this.readyState === "closed") return; // it has let go of everything
    this.inboundBytes += bytes;
    this.#needs.samples.inboundBytes += bytes;
  }

  #refuse(failure: FailureError): void {
    this.#tellSockets(failure);
    const { refusal, name } = this.#reader;
    if (!refusal || !name) {
      this.closeAs("bad_packet", failure);
      return;
    }
    // The client is to learn why, in its own codec; with long-polling that takes its next poll.
    this.codec = name;
    this.write(this.#needs.encode(refusal));
    this.closeAs("bad_packet", failure, "flush");
  }

  /**
   * Socket.IO tells `error` listeners of its sockets, and then closes: here that follows anyway.
   */
  #tellSockets(failure: FailureError): void {
    if (this.listenerCount("error") === 0) return;
    this.#refusing = true;
    try {
      this.emit("error", failure);
    } finally {
      this.#refusing = false;
    }
  }

  #speak(codec: CodecName): void {
    this.#count(-1);
    this.codec = codec;
    this.#codecLabel = codec;
    this.#count(1);
    this.settle(); // its topics are those of its codec
  }

  // --- topics ---

  subscribe(topic: string): void {
    if (isWebSocket(this.transport)) this.transport.ws?.subscribe(topic);
  }

  unsubscribe(topic: string): void {
    if (isWebSocket(this.transport)) this.transport.ws?.unsubscribe(topic);
  }

  publish(topic: string, frame: Frame): void {
    if (!isWebSocket(this.transport)) return;
    this.transport.ws?.publish(topic, frame, typeof frame !== "string", false);
  }

  protected override settle(): void {
    const { transport } = this;
    const native =
      isWebSocket(transport) &&
      transport.ws !== undefined &&
      this.protocol === 4 &&
      this.readyState === "open" &&
      !this.#over &&
      this.#codecLabel !== "unknown" &&
      !this.pressured &&
      !this.doomed;
    if (native === this.native) return;
    this.native = native;
    this.#needs.moved(this);
  }

  // --- life ---

  override setTransport(transport: EngineTransportBase): void {
    const upgraded = this.transport !== undefined;
    if (upgraded) this.#count(-1);
    super.setTransport(transport);
    if (!upgraded) return; // engine.io's constructor: the rest follows in ours
    this.#count(1);
    this.#needs.samples.upgraded++;
    clearTimeout(this.#goodbye);
    transport.owner = this;
    if (this.closeReason && isWebSocket(transport)) this.#explain(transport, this.closeReason);
    // What waited must go out before any topic may serve this connection: that is its order.
    this.flush();
    this.settle();
  }

  /**
   * Closes it for a reason of the gateway's own, in the way its row says: after what is unsent, at
   * once with a close frame, or by cutting the TCP connection. A long-polling client has what is
   * unsent with its next poll, and then the close; only overload needs the memory at once.
   */
  closeAs(reason: CloseReason, details?: unknown, how = CLOSES[reason].how): void {
    if (this.readyState === "closed") return;
    this.closeReason ??= reason;
    this.#closeDetails ??= details;
    if (isWebSocket(this.transport)) {
      this.#explain(this.transport, reason);
      this.transport.abrupt = how === "cut";
    } else if (reason !== "overload") {
      this.#closePolling();
      return;
    }
    if (how === "flush") this.close();
    else this.onClose(CLOSES[reason].disconnect, details);
  }

  /**
   * Its sockets end at once, as with Socket.IO's own `disconnect(true)`; its client polls when it
   * may.
   */
  #closePolling(): void {
    this.close();
    this.flush(); // nothing was sent to a poll that came when it held too much
    if (this.readyState !== "closing" || !this.closeReason) return;
    this.client?.onclose(CLOSES[this.closeReason].disconnect, this.#closeDetails);
  }

  /** What the peer is told when this side closes the WebSocket. */
  #explain(transport: WebSocketTransport, reason: CloseReason): void {
    transport.closeCode = CLOSES[reason].code;
    transport.closeText = reason;
  }

  override close(discard?: boolean): void {
    if (this.#refusing) return;
    if (this.#handing && !this.closeReason) this.closeAs("stray_packet");
    // `server` is the engine of the constructor.
    this.closeReason ??= (this.server as ConnectionServer).closing;
    super.close(discard);
    this.settle();
    if (this.readyState === "closing" && !isWebSocket(this.transport)) this.#awaitPoll();
  }

  /** What is unsent waits for the next poll no longer than a pong would; a stranger's, a moment. */
  #awaitPoll(): void {
    if (this.#goodbye) return;
    if (this.pingTimeoutTimer) clearTimeout(this.pingTimeoutTimer); // a pong is not heard any more
    const { pingTimeout } = (this.server as ConnectionServer).opts; // as above
    const waitMs = this.client ? pingTimeout : Math.min(pingTimeout, STRANGER_GOODBYE_MS);
    this.#goodbye = setTimeout(() => this.closeTransport(true), waitMs);
  }

  override closeTransport(discard?: boolean): void {
    if (discard) {
      this.transport.discard();
      // A polling transport that waits for a poll to say goodbye waits no longer.
      const goodbye = this.transport.shouldClose;
      this.transport.shouldClose = null;
      goodbye?.();
    }
    const reason = this.closeReason ? CLOSES[this.closeReason].disconnect : "forced close";
    this.transport.close(() => this.onClose(reason, this.#closeDetails));
  }

  override onClose(given: string, description: unknown = this.#closeDetails): void {
    if (this.readyState === "closed") return;
    // engine.io ends a close that met an upgrade with words of its own.
    const own = given === "forced close" ? this.closeReason : undefined;
    const reason = own ? CLOSES[own].disconnect : given;
    const why = this.closeReason ?? this.#whyClosed(given, description);
    this.closeReason = why;
    this.#count(-1);
    this.#needs.samples.closed[why]++;
    clearTimeout(this.#goodbye);
    this.letGo();
    this.waiting?.dropBody();
    this.hold(-this.inboundBytes);
    this.#needs.monitor.remove(this);
    this.#reader.destroy();
    // A poll that may never come would keep the closed transport alive for 30 s.
    if (!isWebSocket(this.transport) && !this.transport.writable) this.transport.discard();
    // Out of the topics before anyone hears of the end: what a `disconnecting` listener broadcasts
    // must not be published by a WebSocket that is gone.
    this.#over = true;
    this.settle();
    super.onClose(reason, description);
    this.#needs.ended(this, why, inWords(description));
  }

  #whyClosed(reason: string, description: unknown): CloseReason {
    if (reason !== "forced close") return readReason(reason, description);
    if (this.client) return "server_closed";
    return readForced(performance.now() - this.openedAt, this.#needs.connectTimeoutMs());
  }
}
