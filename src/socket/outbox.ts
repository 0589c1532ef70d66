import { type Bytes, isBytes, viewOn } from "../core/bytes.ts";
import type { CloseReason } from "../core/closes.ts";
import { bytesOf, type CodecName, type Frame, type Frames, isAck } from "../core/packet.ts";
import {
  type EnginePacket,
  type EngineServerBase,
  EngineSocket,
  type EngineSocketBase,
  type EngineTransportBase,
} from "./engine-io.ts";
import type { SocketSamples } from "./samples.ts";
import { isWebSocket, type TransportOwner } from "./websocket.ts";

/** Hears of connections that hold bytes unsent, and ends those that hold too much. */
export interface OutboxMonitor {
  /** Bytes above which a connection is closed. */
  readonly bytesMax: number;
  /** Time without progress after which a pressured connection is closed, in milliseconds. */
  readonly stallMsMax: number;
  add(connection: Outbox): void;
  remove(connection: Outbox): void;
  pressed(connection: Outbox): void;
  /** `drained`: it is over because everything went out, not because the connection closed. */
  relieved(connection: Outbox, drained: boolean): void;
  /** Closes a connection as `slow_consumer` once the stack is clean. */
  doom(connection: Outbox): void;
}

/** What an outbox needs of the rooms around it. */
export interface OutboxNeeds {
  readonly samples: SocketSamples;
  readonly monitor: OutboxMonitor;
}

/**
 * The sending half of a connection: packets go out in order, or wait while uWebSockets.js holds
 * something unsent. It knows what it holds, and when that is too much nothing more is sent.
 */
export abstract class Outbox extends EngineSocket implements TransportOwner {
  codec: CodecName = "json";
  pressured = false;
  /** Events that asked for an ack which has not been written yet. */
  owedAcks = 0;
  /** Bytes of packets that wait in `writeBuffer`. */
  queuedBytes = 0;
  /** Bytes uWebSockets.js held at the last look. */
  unsentBytes = 0;
  pressedAt = 0;
  progressAt = 0;
  /** What was sent before has reached its client, which has answered a ping behind it. */
  reachedAt = Number.NEGATIVE_INFINITY;
  /** Set when it holds too much: nothing is sent any more. */
  protected doomed = false;
  /** Whether the client owes an answer to a ping; of one of protocol 3, a ping. */
  #awaitsPong = false;
  #pongWaits = false;
  #pingedAt = Number.NEGATIVE_INFINITY;
  readonly #needs: OutboxNeeds;

  constructor(needs: OutboxNeeds, given: ConstructorParameters<typeof EngineSocket>) {
    super(...given);
    this.#needs = needs;
  }

  /** Called when topics may, or may no longer, serve this connection. */
  protected abstract settle(): void;
  /** Bytes more, or fewer, of what has not come whole. */
  abstract hold(bytes: number): void;
  /** Closes it for a reason of the gateway's own. */
  abstract closeAs(reason: CloseReason, details?: unknown): void;

  /** Whether what is written is sent or held; false once it holds too much and is to be closed. */
  get accepts(): boolean {
    return !this.doomed;
  }

  /** Bytes this connection has not handed to the kernel, or to a poll. */
  get heldBytes(): number {
    return this.queuedBytes + this.unsentBytes;
  }

  /** Writes a packet's frames in this connection's codec; or a message of engine.io's own types. */
  override write(data: Frames | Message, options?: WriteOptions | Done, done?: Done): this {
    if (this.doomed) return this; // holding more for it would only cost memory until it is closed
    // As in engine.io, whoever has no options may leave them out.
    if (typeof options === "function") return this.write(data, undefined, options);
    if (!isPacket(data)) {
      this.#send([toFrame(data)], options, done);
      return this;
    }
    if (isAck(data.type) && this.owedAcks > 0) this.owedAcks--;
    const held = this.#send(data.of(this.codec), options, done);
    if (held.length === 0) return this;
    // The caller may reuse the bytes of its arguments, and what is held is what is counted.
    const kept = data.keep(this.codec);
    for (const [i, packet] of held.entries()) packet.data = kept[i] as Frame; // one frame each
    return this;
  }

  /** The same: what waits is held and bounded, whoever sent it. */
  override send(data: Message, options?: WriteOptions | Done, done?: Done): this {
    return this.write(data, options, done);
  }

  /**
   * Sends some frames, or holds them; returns what it holds of them.
   *
   * Does what engine.io's `sendPacket` does, for all of them together: listeners of `drain` and the
   * like may send as well, and nothing must come between a packet and its attachments.
   */
  #send(frames: readonly Frame[], options?: WriteOptions, done?: Done): EnginePacket[] {
    if (this.readyState === "closing" || this.readyState === "closed") return [];
    const how = { ...options, compress: options?.compress !== false };
    const packets = frames.map((data): EnginePacket => ({ type: "message", data, options: how }));
    for (const packet of packets) this.emit("packetCreate", packet);
    const { writeBuffer } = this;
    writeBuffer.push(...packets);
    if (done) this.packetsFn.push(done);
    this.flush(); // which puts another list in the place of this one if it sends it
    if (this.writeBuffer !== writeBuffer || this.readyState !== "open") return [];
    for (const frame of frames) this.#hold(frame);
    return packets;
  }

  #hold(frame: Frame): void {
    const bytes = bytesOf(frame);
    this.queuedBytes += bytes;
    this.#needs.samples.heldBytes += bytes;
    if (this.heldBytes > this.#needs.monitor.bytesMax) this.#doom();
  }

  override sendPacket(...given: Parameters<EngineSocketBase["sendPacket"]>): void {
    // A client of protocol 3 pings as often as it likes; one answer waits for all of that.
    if (given[0] === "pong" && !this.transport.writable) {
      if (this.#pongWaits) return;
      this.#pongWaits = true;
    }
    if (given[0] === "ping") this.#pingedAt = performance.now();
    super.sendPacket(...given);
  }

  override flush(): void {
    // engine.io's constructor comes here before ours has run; nothing is writable then.
    if (!this.transport.writable || this.writeBuffer.length === 0) return;
    if (this.readyState === "closed") return;
    if (this.doomed && this.readyState !== "closing") return; // the close follows
    const packets = this.writeBuffer;
    this.writeBuffer = [];
    this.#needs.samples.heldBytes -= this.queuedBytes;
    this.queuedBytes = 0;
    this.#pongWaits = false;
    this.sentCallbackFn.push(this.packetsFn.length > 0 ? this.packetsFn : null);
    this.packetsFn = [];
    this.#countSent(packets);
    this.transport.send(packets);
    // Not before it, as engine.io does: what a listener sends comes after what is flushed, once.
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
    this.#hear(bytes);
    if (this.pressured || this.readyState === "closed") return;
    this.pressured = true;
    this.transport.writable = false;
    this.pressedAt = performance.now();
    this.progressAt = this.pressedAt;
    this.#needs.monitor.pressed(this);
    // A slow client's pong is behind what it has yet to read: the stall clock watches it now.
    if (this.pingTimeoutTimer) {
      clearTimeout(this.pingTimeoutTimer);
      this.pingTimeoutTimer = null;
      this.#awaitsPong = true;
    }
    this.settle();
    if (this.heldBytes > this.#needs.monitor.bytesMax) this.#doom();
  }

  relieve(): void {
    this.#hear(0);
    this.#calm(true);
    this.transport.emit("drain");
    const sent = this.writeBuffer.length > 0;
    this.transport.emit("ready");
    if (this.pressured || this.readyState === "closed") return;
    if (!sent) this.#announceDrain();
    if (this.#awaitsPong && this.readyState === "open") this.#awaitLatePong();
    this.settle();
  }

  /**
   * The ping is behind what the kernel still holds, which nobody can see: the stall time on top.
   */
  #awaitLatePong(): void {
    // The engine of the constructor.
    const { pingInterval, pingTimeout } = (this.server as EngineServerBase).opts;
    // Clients of protocol 3 are the ones to ping, once an interval.
    const beatMs = this.protocol === 3 ? pingInterval + pingTimeout : pingTimeout;
    const afterMs = beatMs + this.#needs.monitor.stallMsMax;
    if (this.pingTimeoutTimer) clearTimeout(this.pingTimeoutTimer);
    this.pingTimeoutTimer = setTimeout(() => this.onClose("ping timeout"), afterMs);
  }

  #calm(drained: boolean): void {
    if (!this.pressured) return;
    this.pressured = false;
    this.#needs.monitor.relieved(this, drained);
  }

  override setTransport(transport: EngineTransportBase): void {
    const upgraded = this.transport !== undefined;
    super.setTransport(transport);
    // engine.io has stopped waiting with the old transport, and without an answer never asks again.
    if (upgraded && (this.protocol === 3 || this.#awaitsPong)) this.resetPingTimeout();
  }

  override resetPingTimeout(): void {
    // Clients of protocol 3 owe no pong, and of theirs engine.io's constructor calls this.
    if (this.protocol === 4) this.#awaitsPong = true;
    if (!this.pressured) super.resetPingTimeout();
  }

  /** Called when its client answered a ping. */
  protected ponged(): void {
    this.reachedAt = this.#pingedAt;
    this.#awaitsPong = false;
  }

  /** Gives up what it holds, because it is over. */
  protected letGo(): void {
    this.#calm(false);
    this.#needs.samples.heldBytes -= this.heldBytes;
    this.queuedBytes = 0;
    this.unsentBytes = 0;
  }

  #hear(unsent: number): void {
    if (unsent < this.unsentBytes) this.progressAt = performance.now();
    this.#needs.samples.heldBytes += unsent - this.unsentBytes;
    this.unsentBytes = unsent;
  }

  look(): void {
    const ws = isWebSocket(this.transport) ? this.transport.ws : undefined;
    if (!ws || this.doomed) return;
    const unsent = ws.getBufferedAmount();
    if (unsent > 0 && !this.pressured) this.press(unsent);
    else if (this.pressured) this.#hear(unsent);
    if (this.heldBytes > this.#needs.monitor.bytesMax) this.#doom();
  }

  /** Nothing is sent from here on; the close follows from a clean stack. */
  #doom(): void {
    if (this.doomed || this.readyState === "closed") return;
    this.doomed = true;
    this.settle();
    this.#needs.monitor.doom(this);
  }

  /**
   * Closes it as `slow_consumer`, dropping what is unsent: the peer has a prefix of what was sent.
   */
  closeSlow(why: string): void {
    this.doomed = true;
    this.closeAs(
      "slow_consumer",
      new Error(`slow consumer: ${this.heldBytes} bytes unsent, ${why}`),
    );
  }
}

type WriteOptions = NonNullable<EnginePacket["options"]>;
type Done = () => void;

/** What engine.io takes for one message; of anything else it sends the text, or none. */
type Message = string | Bytes | number | boolean | null | undefined;

const isPacket = (data: Frames | Message): data is Frames =>
  typeof data === "object" && data !== null && "of" in data;

function toFrame(data: Message): Frame {
  if (isBytes(data)) return viewOn(data);
  return data ? String(data) : "";
}
