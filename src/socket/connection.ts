import { CLOSES, type CloseReason } from "../core/closes.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import { type CodecName, type Frame, type Frames, isEvent, type Packet } from "../core/packet.ts";
import type { BodyOwner } from "../host/response.ts";
import type { CountedTopic, Writes } from "../host/writes.ts";
import { isUnheard } from "../seam/emitter.ts";
import type {
  EnginePacket,
  EnginePacketType,
  EngineRequest,
  EngineServerBase,
  EngineTransportBase,
} from "../seam/engine-io.ts";
import type { OwnConnection } from "../seam/socket-io.ts";
import type { ServingConnection } from "../seam/socket-io-client.ts";
import { handPacket } from "../seam/socket-io-events.ts";
import type { ConnectionClient } from "../seam/socket-io-inside.ts";
import { describeClose, readForced, readReason } from "./close-reason.ts";
import { Outbox, type OutboxNeeds } from "./outbox.ts";
import { CONNECTION_KEYS } from "./samples.ts";
import { isWebSocket, receivedBytes } from "./websocket.ts";

const NONE: OwnConnection["entered"] = [];
/** How long a close waits for the next poll of a client that never joined a namespace. */
const OUTSIDE_CLOSE_MS = 1000;

/** Decodes one connection's frames; the first frame decides the codec. */
export interface FrameReader {
  readonly name: CodecName | undefined;
  /** After a refusal: the CONNECT_ERROR that tells the client why, if its codec allows one. */
  readonly refusal: Packet | undefined;
  /** Bytes of a packet whose attachments have not all arrived. */
  readonly heldBytes: number;
  /**
   * Returns a packet, or undefined while attachments are missing. Throws `FailureError`. `lasting`:
   * the frame's bytes stay valid after the call. `outside`: no CONNECT has been answered yet.
   */
  read(frame: Frame, lasting: boolean, outside: boolean): Packet | undefined;
  destroy(): void;
}

/**
 * Takes an inbound packet from the rate limits of one connection, before it is decoded. Returns the
 * limit that it exceeds, and whether the packet is refused or the connection closed. `nowMs` is the
 * time of `performance.now()`.
 */
export type TakePacket = (
  bytes: number,
  nowMs: number,
) => { readonly code: FailureCode; readonly verdict: "refuse" | "close" } | undefined;

/** The functions that other rooms give to every connection. */
export interface ConnectionNeeds extends OutboxNeeds {
  /**
   * Returns the reader of a new connection. `fixed` names the codec if it is known beforehand:
   * Engine.IO 3 clients always use JSON.
   */
  createReader(fixed?: CodecName): FrameReader;
  /** How long a connection may take to join its first namespace, in milliseconds. */
  connectTimeoutMs(): number;
  /** What its WebSocket is written to with, as all others of the engine. */
  readonly writes: Writes;
  /** Encodes a packet in one codec. */
  encode(packet: Packet): Frames;
  /** Called when `native` of a connection has changed. */
  moved(connection: Connection): void;
  /** Called before a listener for `packetCreate` is added. */
  heard(connection: Connection): void;
  /** Called once, when a connection has closed. */
  ended(connection: Connection, reason: CloseReason, details: string): void;
}

/** The server that owns a connection. */
export interface ConnectionServer extends EngineServerBase {
  readonly needs: ConnectionNeeds;
  /** The close reason of connections that the server is closing now, if it is. */
  readonly closing: CloseReason | undefined;
  /** Removes a closed connection from its clients. */
  forget(connection: Connection): void;
}

/**
 * One Engine.IO connection. It decodes packets, counts them, knows its codec and its backpressure,
 * and closes once, with a reason. It is `socket.conn` of each of its Socket.IO sockets, and the
 * `Peer` of `fanout/`.
 */
export class Connection extends Outbox implements ServingConnection {
  /** Whether it may be subscribed to uWebSockets.js topics: see `Peer` in `fanout/`. */
  native = false;
  receiver: ConnectionClient | undefined;
  entered: OwnConnection["entered"] = NONE;
  /** Set when its first CONNECT is answered; stays set when it leaves the namespace. */
  client: ConnectionClient | undefined;
  closeReason: CloseReason | undefined;
  readonly openedAt = performance.now();
  /** When the last message arrived from the client. */
  heardAt = this.openedAt;
  /** Bytes received of packets and payloads that are not complete yet. */
  inboundBytes = 0;
  /** The response whose request body is held while a middleware runs. */
  waiting: BodyOwner["waiting"];
  /** Its rate limits; undefined without any. */
  takePacket: TakePacket | undefined;
  readonly #needs: ConnectionNeeds;
  readonly #reader: FrameReader;
  #codecLabel: CodecName | "unknown" = "unknown";
  #closeDetails: unknown;
  #over = false;
  #closeTimer: NodeJS.Timeout | undefined;
  #overRate: FailureCode | undefined;
  /**
   * True while Socket.IO reads a packet. The application's listeners run later, so a close during
   * this time is Socket.IO's own.
   */
  #dispatching = false;
  /** True while `error` listeners run for a packet that cannot be decoded. */
  #refusing = false;

  // biome-ignore lint/complexity/useMaxParams: engine.io's own Socket takes these.
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

  /** Whether it has ever joined a namespace. */
  get joined(): boolean {
    return this.client !== undefined;
  }

  // `once` and `prependOnceListener` call `on` and `prependListener`.
  override on(event: string | symbol, listener: (...given: unknown[]) => void): this {
    if (event === "packetCreate") this.#needs.heard(this);
    return super.on(event, listener);
  }

  override addListener(event: string | symbol, listener: (...given: unknown[]) => void): this {
    return this.on(event, listener);
  }

  override prependListener(event: string | symbol, listener: (...given: unknown[]) => void): this {
    if (event === "packetCreate") this.#needs.heard(this);
    return super.prependListener(event, listener);
  }

  #count(by: 1 | -1): void {
    const key = CONNECTION_KEYS[this.transport.name][this.#codecLabel];
    this.#needs.samples.connections[key] += by;
  }

  // --- in ---

  override onPacket(packet: EnginePacket): void {
    if (this.readyState !== "open") return;
    packet.type ??= "error"; // engine.io's protocol 3 parser leaves unknown binary types undefined
    const bytes = receivedBytes(this.transport, packet.data);
    // A pong of protocol 3 is an error.
    if (packet.type === "pong" && this.protocol === 4) this.ponged();
    if (!this.#accept(packet.type, bytes)) return;
    if (packet.type !== "message") {
      if (packet.type !== "pong") this.extendPongWait(packet.type, performance.now());
      super.onPacket(packet);
      return;
    }
    packet.data ??= ""; // engine.io omits the data of an empty message; decoding refuses it
    // A WebSocket's bytes are valid only during this call. Listeners of the raw packet may keep
    // them, so they get a copy.
    const valid = !isWebSocket(this.transport);
    const lasting = valid || this.listenerCount("packet") > 0;
    if (lasting && !valid && typeof packet.data !== "string")
      packet.data = Buffer.from(packet.data);
    this.emit("packet", packet);
    this.extendPongWait("message", this.heardAt);
    this.#decode(packet.data, lasting);
  }

  onMessage(frame: Frame, bytes: number): void {
    if (!isUnheard(this, "packet")) {
      this.onPacket({ type: "message", data: frame });
      return;
    }
    if (this.readyState !== "open" || !this.#accept("message", bytes)) return;
    this.extendPongWait("message", this.heardAt);
    this.#decode(frame, false);
  }

  onPong(): void {
    if (!isUnheard(this, "packet")) {
      this.onPacket({ type: "pong" });
      return;
    }
    if (this.readyState !== "open") return;
    this.ponged();
    if (this.#accept("pong", 0)) this.emit("heartbeat");
  }

  /**
   * Counts a packet and returns whether to read it. A message over its rate limit is still decoded,
   * and marked as refused: it may be one frame of several that make up a packet.
   */
  #accept(type: EnginePacketType, bytes: number): boolean {
    const { samples } = this.#needs;
    samples.received[type]++;
    samples.receivedBytes += bytes;
    const nowMs = performance.now();
    if (type === "message") this.heardAt = nowMs;
    const over = this.takePacket?.(bytes, nowMs);
    if (over?.verdict === "close") {
      this.closeAs("rate_exceeded");
      return false;
    }
    if (over && type === "message") this.#overRate = over.code;
    return true;
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
    if (this.#codecLabel === "unknown" && this.#reader.name) this.#setCodec(this.#reader.name);
    if (!decoded) return;
    if (this.#overRate) {
      // Marked only now that the packet is complete: the refused frame may have been part of it.
      if (isEvent(decoded.type)) decoded.refused = this.#overRate;
      this.#overRate = undefined;
    }
    if (decoded.id !== undefined && isEvent(decoded.type)) this.owedAcks++;
    const { client, receiver } = this;
    if (client && this.protocol === 4 && isWebSocket(this.transport) && handPacket(client, decoded))
      return;
    this.#dispatching = true;
    receiver?.ondata(decoded);
    this.emit("data", decoded);
    this.#dispatching = false;
  }

  /** Adds to the bytes held of incomplete packets and payloads; negative to subtract. */
  hold(bytes: number): void {
    if (this.readyState === "closed") return; // onClose() has set the count to zero
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
    // Tell the client why, in its own codec. A long-polling client reads it with its next poll.
    this.codec = name;
    this.write(this.#needs.encode(refusal));
    this.closeAs("bad_packet", failure, "flush");
  }

  /**
   * Emits `error` as engine.io does. Socket.IO then calls the sockets' `error` listeners and
   * closes; `close` ignores that, because the caller closes with the right reason.
   */
  #tellSockets(failure: FailureError): void {
    this.#refusing = true;
    try {
      this.receiver?.onerror(failure);
      if (this.listenerCount("error") > 0) this.emit("error", failure);
    } finally {
      this.#refusing = false;
    }
  }

  #setCodec(codec: CodecName): void {
    this.#count(-1);
    this.codec = codec;
    this.#codecLabel = codec;
    this.#count(1);
    this.updateNative(); // each codec has its own topics
  }

  // --- topics ---

  subscribe(topic: string): void {
    if (isWebSocket(this.transport)) this.#needs.writes.subscribe(this.transport, topic);
  }

  unsubscribe(topic: string): void {
    if (isWebSocket(this.transport)) this.#needs.writes.unsubscribe(this.transport, topic);
  }

  publish(topic: CountedTopic, frame: Frame): void {
    if (isWebSocket(this.transport)) this.#needs.writes.publish(topic, frame, this.transport);
  }

  protected override updateNative(): void {
    const { transport } = this;
    const native =
      isWebSocket(transport) &&
      transport.ws !== undefined &&
      this.protocol === 4 &&
      this.readyState === "open" &&
      !this.#over &&
      this.#codecLabel !== "unknown" &&
      !this.pressured &&
      !this.overLimit;
    if (native === this.native) return;
    this.native = native;
    this.#needs.moved(this);
  }

  // --- life ---

  override setTransport(transport: EngineTransportBase): void {
    const upgraded = this.transport !== undefined;
    if (upgraded) this.#count(-1);
    super.setTransport(transport);
    if (!upgraded) return; // called by engine.io's constructor; our constructor does the rest
    this.#count(1);
    this.#needs.samples.upgraded++;
    clearTimeout(this.#closeTimer);
    transport.owner = this;
    if (this.pause && isWebSocket(transport)) transport.pause();
    // Queued packets must go out before the first published one, or packets change their order.
    this.flush();
    this.updateNative();
  }

  /**
   * Closes the connection for a reason of `CLOSES`, in the way `how` says: after the unsent
   * packets, at once with a close frame, or by cutting the TCP connection. A long-polling client
   * first gets the unsent packets with its next poll, then the close; except under overload, where
   * the memory is needed at once.
   */
  closeAs(reason: CloseReason, details?: unknown, how = CLOSES[reason].how): void {
    if (this.readyState === "closed") return;
    this.closeReason ??= reason;
    this.#closeDetails ??= details;
    if (isWebSocket(this.transport)) this.transport.abrupt = how === "cut";
    else if (reason !== "overload") {
      this.#closePolling();
      return;
    }
    if (how === "flush") this.close();
    else this.onClose(CLOSES[reason].disconnect, details);
  }

  /**
   * Disconnects its sockets at once, as Socket.IO's `disconnect(true)` does, and lets the client
   * fetch the close with its next poll.
   */
  #closePolling(): void {
    this.close();
    this.flush(); // over the buffer limit nothing was sent; a poll may be waiting
    if (this.readyState !== "closing" || !this.closeReason) return;
    this.client?.onclose(CLOSES[this.closeReason].disconnect, this.#closeDetails);
  }

  override close(discard?: boolean): void {
    if (this.#refusing) return;
    if (this.#dispatching && !this.closeReason) this.closeAs("stray_packet");
    // The cast holds: `server` is the engine that the constructor got.
    this.closeReason ??= (this.server as ConnectionServer).closing;
    this.pause?.end(); // or the end of the WebSocket would not be read
    super.close(discard);
    this.updateNative();
    if (this.readyState === "closing" && !isWebSocket(this.transport)) this.#awaitPoll();
  }

  /**
   * Bounds how long a close waits for the client's next poll: the ping timeout, or one second if
   * the client never joined a namespace.
   */
  #awaitPoll(): void {
    if (this.#closeTimer) return;
    this.stopAwaitingPong(); // pongs are ignored now
    const { pingTimeout } = (this.server as ConnectionServer).opts; // as above
    const waitMs = this.client ? pingTimeout : Math.min(pingTimeout, OUTSIDE_CLOSE_MS);
    this.#closeTimer = setTimeout(() => this.closeTransport(true), waitMs);
  }

  override closeTransport(discard?: boolean): void {
    if (discard) {
      this.transport.discard();
      // Do not let a polling transport wait for another poll to send its close packet.
      const closeNow = this.transport.shouldClose;
      this.transport.shouldClose = null;
      closeNow?.();
    }
    const reason = this.closeReason ? CLOSES[this.closeReason].disconnect : "forced close";
    this.transport.close(() => this.onClose(reason, this.#closeDetails));
  }

  override onClose(given: string, description: unknown = this.#closeDetails): void {
    if (this.readyState === "closed") return;
    // engine.io says "forced close" when a close of ours coincides with an upgrade.
    const own = given === "forced close" ? this.closeReason : undefined;
    const reason = own ? CLOSES[own].disconnect : given;
    const why = this.closeReason ?? this.#whyClosed(given, description);
    this.closeReason = why;
    // A transport calls this before it writes the close frame, whoever closes it.
    if (isWebSocket(this.transport)) this.transport.explain(CLOSES[why].code, why);
    this.#count(-1);
    this.#needs.samples.closed[why]++;
    clearTimeout(this.#closeTimer);
    this.pause?.end();
    this.releaseBytes();
    this.waiting?.dropBody();
    this.hold(-this.inboundBytes);
    this.#needs.monitor.remove(this);
    this.#reader.destroy();
    // A poll that may never come would keep the closed transport alive for 30 s.
    if (!isWebSocket(this.transport) && !this.transport.writable) this.transport.discard();
    // Leave the topics before any listener runs: a broadcast from a `disconnecting` listener must
    // not be published by a closed WebSocket.
    this.#over = true;
    this.updateNative();
    // The cast holds as in close().
    (this.server as ConnectionServer).forget(this);
    this.#end(reason, description);
    this.#needs.ended(this, why, describeClose(description));
  }

  /** Does what engine.io does at a close; Socket.IO is told before other listeners. */
  #end(reason: string, description: unknown): void {
    this.readyState = "closed";
    // Listeners of `close` may still read what was not sent.
    process.nextTick(clearBuffer, this);
    this.packetsFn = [];
    this.sentCallbackFn = [];
    this.clearTransport();
    this.receiver?.onclose(reason, description);
    this.emit("close", reason, description);
  }

  /** Closes a connection that has joined no namespace in time, as Socket.IO does. */
  checkJoined(nowMs: number): void {
    if (this.joined || nowMs - this.openedAt < this.#needs.connectTimeoutMs()) return;
    this.receiver?.close();
  }

  #whyClosed(reason: string, description: unknown): CloseReason {
    if (reason !== "forced close") return readReason(reason, description);
    if (this.client) return "server_closed";
    return readForced(performance.now() - this.openedAt, this.#needs.connectTimeoutMs());
  }
}

function clearBuffer(connection: Connection): void {
  connection.writeBuffer = [];
}
