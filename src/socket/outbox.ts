import { viewOn } from "../core/buffer.ts";
import { type Bytes, isBytes } from "../core/bytes.ts";
import type { CloseReason } from "../core/closes.ts";
import { bytesOf, type CodecName, type Frame, type Frames, isAck } from "../core/packet.ts";
import { isUnheard } from "../seam/emitter.ts";
import {
  type EnginePacket,
  type EnginePacketType,
  type EngineServerBase,
  EngineSocket,
  type EngineSocketBase,
  type EngineTransportBase,
} from "../seam/engine-io.ts";
import { beginPause, type Pause } from "./pause.ts";
import type { SocketSamples } from "./samples.ts";
import { isWebSocket, type TransportOwner, type WebSocketTransport } from "./websocket.ts";

/** Watches unsent bytes, and closes connections that hold too many. */
export interface OutboxMonitor {
  /** Bytes above which a connection is closed. */
  readonly bytesMax: number;
  /** Time without progress after which a pressured connection is closed, in milliseconds. */
  readonly stallMsMax: number;
  add(connection: Outbox): void;
  remove(connection: Outbox): void;
  pressed(connection: Outbox): void;
  /** `drained`: the pressure ended because everything was sent, not because it closed. */
  relieved(connection: Outbox, drained: boolean): void;
  /** Closes a connection as `slow_consumer`, later, from a clean stack. */
  closeSoon(connection: Outbox): void;
}

/** The counters and the monitor of an outbox. */
export interface OutboxNeeds {
  readonly samples: SocketSamples;
  readonly monitor: OutboxMonitor;
}

/**
 * The sending half of a connection. Packets are sent in order; while uWebSockets.js holds unsent
 * bytes, they wait. Above `bytesMax` of held bytes nothing more is sent, and it is closed.
 */
export abstract class Outbox extends EngineSocket implements TransportOwner {
  codec: CodecName = "json";
  pressured = false;
  /** Received events whose acks have not been written yet. */
  owedAcks = 0;
  /** Bytes of packets that wait in `writeBuffer`. */
  queuedBytes = 0;
  /** Bytes unsent in uWebSockets.js, when last checked. */
  unsentBytes = 0;
  pressedAt = 0;
  progressAt = 0;
  /** Everything sent before this time has reached the client: it answered a ping sent then. */
  reachedAt = Number.NEGATIVE_INFINITY;
  /** Set while it is not read from. */
  pause: Pause | undefined;
  /** Set when it holds too many bytes: nothing more is sent, and it will be closed. */
  protected overLimit = false;
  /** Whether a pong is due; with protocol 3, where the client pings, a ping. */
  #awaitsPong = false;
  #pongWaits = false;
  #pingedAt = Number.NEGATIVE_INFINITY;
  /** When {@link beat} is to be called: a ping is due, or the pong that is waited for overdue. */
  beatAt: number;
  /** How long a pong is waited for; 0 while none is. */
  #waitMs = 0;
  readonly #needs: OutboxNeeds;

  constructor(needs: OutboxNeeds, given: ConstructorParameters<typeof EngineSocket>) {
    super(...given);
    this.#needs = needs;
    // What engine.io's constructor has started, before there were any fields.
    const { pingInterval } = this.#opts;
    if (this.protocol === 3) this.#waitMs = this.#usualWaitMs();
    this.beatAt = performance.now() + (this.#waitMs || pingInterval);
  }

  get #opts() {
    // The cast holds: `server` is the engine that the constructor got.
    return (this.server as EngineServerBase).opts;
  }

  /** Called when something that decides on topics has changed, such as pressure. */
  protected abstract updateNative(): void;
  /** Adds to the bytes held of incomplete packets and payloads; negative to subtract. */
  abstract hold(bytes: number): void;
  abstract onMessage(frame: Frame, bytes: number): void;
  abstract onPong(): void;
  /** Closes the connection for a reason of `CLOSES`. */
  abstract closeAs(reason: CloseReason, details?: unknown): void;

  /** Whether writes are sent or queued; false once it holds too many bytes and will be closed. */
  get accepts(): boolean {
    return !this.overLimit;
  }

  /** Bytes not yet handed to the kernel, or to a poll. */
  get heldBytes(): number {
    return this.queuedBytes + this.unsentBytes;
  }

  /** Sends or queues a packet in this connection's codec, or a plain message, as in engine.io. */
  override write(data: Frames | Message, options?: WriteOptions | Done, done?: Done): this {
    if (this.overLimit) return this; // queueing more would only cost memory until it is closed
    // As in engine.io, the second argument may be the callback.
    if (typeof options === "function") return this.write(data, undefined, options);
    if (!isPacket(data)) {
      this.#send([toFrame(data)], options, done);
      return this;
    }
    if (isAck(data.type) && this.owedAcks > 0) this.owedAcks--;
    const held = this.#send(data.of(this.codec), options, done);
    if (held.length === 0) return this;
    // Queue copies: the caller may reuse its bytes, and `heldBytes` must count what is kept alive.
    const kept = data.keep(this.codec);
    for (const [i, packet] of held.entries()) packet.data = kept[i] as Frame; // one frame a packet
    return this;
  }

  /** The same as `write`, so that messages of the application count as well. */
  override send(data: Message, options?: WriteOptions | Done, done?: Done): this {
    return this.write(data, options, done);
  }

  /**
   * Sends frames or queues them; returns the queued packets.
   *
   * Does what engine.io's `sendPacket` does, but queues all frames before it flushes: a `drain`
   * listener may send too, and nothing may come between a packet and its attachments.
   */
  #send(frames: readonly Frame[], options?: WriteOptions, done?: Done): EnginePacket[] {
    if (this.readyState === "closing" || this.readyState === "closed") return [];
    const [only] = frames;
    if (only !== undefined && frames.length === 1 && !done && this.#sendNow(only)) return [];
    const how = { ...options, compress: options?.compress !== false };
    const packets = frames.map((data): EnginePacket => ({ type: "message", data, options: how }));
    for (const packet of packets) this.emit("packetCreate", packet);
    const { writeBuffer } = this;
    writeBuffer.push(...packets);
    if (done) this.packetsFn.push(done);
    this.flush(); // if it sends, it replaces `this.writeBuffer`
    if (this.writeBuffer !== writeBuffer || this.readyState !== "open") return [];
    for (const frame of frames) this.#hold(frame);
    return packets;
  }

  /** Writes a frame to the WebSocket and returns true, if there is nothing else to do. */
  #sendNow(frame: Frame): boolean {
    const transport = this.#straight();
    if (!transport) return false;
    const { samples } = this.#needs;
    samples.sent.message++;
    samples.sentBytes += transport.sendMessage(frame);
    return true;
  }

  /**
   * Returns the WebSocket if a packet can be written to it now, and if all that `flush` does
   * besides is to call listeners that do not exist.
   */
  #straight(): WebSocketTransport | undefined {
    const { transport, server } = this;
    if (!isWebSocket(transport) || !transport.writable || transport.protocol !== 4) return;
    if (this.writeBuffer.length > 0 || this.readyState !== "open") return;
    if (!isUnheard(this, "packetCreate") || !isUnheard(this, "flush")) return;
    if (!isUnheard(this, "drain") || !isUnheard(server, "drain")) return;
    if (!isUnheard(server, "flush") || !transport.isOwned()) return;
    return transport;
  }

  #hold(frame: Frame): void {
    const bytes = bytesOf(frame);
    this.queuedBytes += bytes;
    this.#needs.samples.heldBytes += bytes;
    // What was unsent when last checked may have been sent meanwhile.
    if (this.heldBytes > this.#needs.monitor.bytesMax) this.look();
  }

  override sendPacket(...given: Parameters<EngineSocketBase["sendPacket"]>): void {
    // Protocol 3 clients may ping without limit: queue one pong at most.
    if (given[0] === "pong" && !this.transport.writable) {
      if (this.#pongWaits) return;
      this.#pongWaits = true;
    }
    if (given[0] === "ping") this.#pingedAt = performance.now();
    super.sendPacket(...given);
  }

  override flush(): void {
    // engine.io's constructor calls this before ours has run; the transport is not writable then.
    if (!this.transport.writable || this.writeBuffer.length === 0) return;
    if (this.readyState === "closed") return;
    if (this.overLimit && this.readyState !== "closing") return; // it will be closed
    const packets = this.writeBuffer;
    this.writeBuffer = [];
    this.#needs.samples.heldBytes -= this.queuedBytes;
    this.queuedBytes = 0;
    this.#pongWaits = false;
    this.sentCallbackFn.push(this.packetsFn.length > 0 ? this.packetsFn : null);
    this.packetsFn = [];
    this.#countSent(packets);
    this.transport.send(packets);
    // engine.io emits this before it sends; here after, so that packets a listener sends come
    // after these, and are sent once.
    this.emit("flush", packets);
    this.server.emit("flush", this, packets);
    if (!this.pressured) this.#announceDrain();
  }

  #countSent(packets: readonly EnginePacket[]): void {
    const { samples } = this.#needs;
    for (const packet of packets) {
      samples.sent[packet.type]++;
      if (packet.data !== undefined) samples.sentBytes += bytesOf(packet.data);
    }
  }

  #announceDrain(): void {
    this.emit("drain");
    this.server.emit("drain", this);
  }

  // --- pressure ---

  press(bytes: number): void {
    if (this.readyState === "closed") return; // its bytes are not counted any more
    this.#setUnsent(bytes);
    if (this.pressured) return;
    this.pressured = true;
    this.transport.writable = false;
    this.pressedAt = performance.now();
    this.progressAt = this.pressedAt;
    this.#needs.monitor.pressed(this);
    // A slow client answers the ping only after all it has yet to read: `stallMsMax` applies now.
    this.stopAwaitingPong();
    this.updateNative();
    if (this.heldBytes > this.#needs.monitor.bytesMax) this.#stopSending();
  }

  relieve(): void {
    this.#setUnsent(0);
    this.#endPressure(true);
    const { transport } = this;
    if (isWebSocket(transport)) transport.tellDrained();
    const sent = this.writeBuffer.length > 0;
    if (isWebSocket(transport)) transport.tellReady();
    if (this.pressured || this.readyState === "closed") return;
    if (!sent) this.#announceDrain();
    this.awaitLatePong();
    this.updateNative();
  }

  // --- heartbeats ---

  /** Does what is due at `beatAt`: sends the ping, or closes because no pong came in time. */
  beat(nowMs: number): void {
    if (nowMs < this.beatAt || this.readyState === "closed") return;
    if (this.#waitMs > 0) {
      this.onClose("ping timeout");
      return;
    }
    this.hasRefreshedPingTimeout = false;
    this.#ping();
    this.resetPingTimeout();
  }

  #ping(): void {
    const transport = this.#straight();
    if (!transport) {
      this.sendPacket("ping");
      return;
    }
    this.#pingedAt = performance.now();
    this.#needs.samples.sent.ping++;
    transport.sendPing();
  }

  /** Leaves a pong that is due until {@link awaitLatePong}. */
  stopAwaitingPong(): void {
    if (this.#waitMs === 0) return;
    this.#endBeat();
    this.#awaitsPong = true;
  }

  /**
   * Waits for a pong that is due `stallMsMax` longer than usual: the ping is behind bytes in the
   * kernel's buffer, whose number is unknown, or the pong behind what is read later.
   */
  awaitLatePong(): void {
    if (!this.#awaitsPong || this.readyState !== "open") return;
    if (this.pressured || this.pause) return;
    this.#awaitPong(this.#usualWaitMs() + this.#needs.monitor.stallMsMax);
  }

  /** With protocol 3 the client pings, once an interval. */
  #usualWaitMs(): number {
    const { pingInterval, pingTimeout } = this.#opts;
    return this.protocol === 3 ? pingInterval + pingTimeout : pingTimeout;
  }

  #awaitPong(waitMs: number): void {
    this.#waitMs = waitMs;
    this.beatAt = performance.now() + waitMs;
  }

  #endBeat(): void {
    this.#waitMs = 0;
    this.beatAt = Number.POSITIVE_INFINITY;
  }

  /**
   * As engine.io does: a packet that is no pong extends the wait for one, once. With protocol 3
   * each ping does.
   */
  protected extendPongWait(type: EnginePacketType, nowMs: number): void {
    if (this.#waitMs === 0) return;
    if (this.protocol === 3 ? type !== "ping" : this.hasRefreshedPingTimeout) return;
    this.hasRefreshedPingTimeout = true;
    this.beatAt = nowMs + this.#waitMs;
  }

  #endPressure(drained: boolean): void {
    if (!this.pressured) return;
    this.pressured = false;
    this.#needs.monitor.relieved(this, drained);
  }

  override setTransport(transport: EngineTransportBase): void {
    const upgraded = this.transport !== undefined;
    // A WebSocket calls its connection: no listeners are needed.
    if (isWebSocket(transport)) this.transport = transport;
    else super.setTransport(transport);
    // As in engine.io, where the wait ends with the old transport.
    if (upgraded && (this.protocol === 3 || this.#awaitsPong)) this.resetPingTimeout();
  }

  /** Starts no timer: the monitor calls {@link beat} of every connection that it is due for. */
  override schedulePing(): void {}

  override resetPingTimeout(): void {
    if (this.beatAt === undefined) return; // engine.io's constructor calls this, before ours
    // Protocol 3 clients owe no pong.
    if (this.protocol === 4) this.#awaitsPong = true;
    if (this.pressured || this.pause) this.#endBeat();
    else this.#awaitPong(this.#usualWaitMs());
  }

  /**
   * Stops reading from the client, until the returned function has been called, and those that were
   * returned meanwhile. A close ends that, too.
   */
  pauseReading(): () => void {
    if (this.readyState !== "open") return () => {};
    this.pause ??= beginPause(this, this.#needs.samples);
    return this.pause.join();
  }

  /** Called when the client answered a ping. */
  protected ponged(): void {
    this.reachedAt = this.#pingedAt;
    this.#awaitsPong = false;
    this.#waitMs = 0;
    this.beatAt = performance.now() + this.#opts.pingInterval;
  }

  /** Forgets the bytes it holds, because it is closed. */
  protected releaseBytes(): void {
    this.#endPressure(false);
    this.#needs.samples.heldBytes -= this.heldBytes;
    this.queuedBytes = 0;
    this.unsentBytes = 0;
  }

  #setUnsent(unsent: number): void {
    if (unsent < this.unsentBytes) this.progressAt = performance.now();
    this.#needs.samples.heldBytes += unsent - this.unsentBytes;
    this.unsentBytes = unsent;
  }

  look(): void {
    if (this.overLimit) return;
    const ws = isWebSocket(this.transport) ? this.transport.ws : undefined;
    const unsent = ws?.getBufferedAmount() ?? 0;
    if (unsent > 0 && !this.pressured) this.press(unsent);
    else if (this.pressured) this.#setUnsent(unsent);
    if (this.heldBytes > this.#needs.monitor.bytesMax) this.#stopSending();
  }

  /** Sends nothing more, and has the monitor close it. */
  #stopSending(): void {
    if (this.overLimit || this.readyState === "closed") return;
    this.overLimit = true;
    this.updateNative();
    this.#needs.monitor.closeSoon(this);
  }

  /** Closes it as `slow_consumer` and drops unsent packets: the client has the first ones only. */
  closeSlow(why: string): void {
    this.overLimit = true;
    this.closeAs(
      "slow_consumer",
      new Error(`slow consumer: ${this.heldBytes} bytes unsent, ${why}`),
    );
  }
}

type WriteOptions = NonNullable<EnginePacket["options"]>;
type Done = () => void;

/** What engine.io accepts as a message. Of what is no string or bytes it sends the text. */
type Message = string | Bytes | number | boolean | null | undefined;

const isPacket = (data: Frames | Message): data is Frames =>
  typeof data === "object" && data !== null && "of" in data;

function toFrame(data: Message): Frame {
  if (isBytes(data)) return viewOn(data);
  return data ? String(data) : "";
}
