import { bytesOf, type Frame } from "../core/packet.ts";
import type { WebSocket } from "../host/native.ts";
import type { Reading } from "../host/reading.ts";
import type { IncomingRequest } from "../host/request.ts";
import type { Writer, Writes } from "../host/writes.ts";
import { isUnheard } from "../seam/emitter.ts";
import {
  type EnginePacket,
  EngineTransport,
  type EngineTransportBase,
  type PacketOwner,
} from "../seam/engine-io.ts";

/** The data that uWebSockets.js keeps for each WebSocket. */
export interface WebSocketData {
  /** Undefined if the session has a WebSocket already: this one is closed as soon as it opens. */
  transport: WebSocketTransport | undefined;
  /** The response that middlewares got; it emits `close` when the WebSocket closes. */
  response: { emit(event: "close"): unknown } | undefined;
}

/** The connection of a WebSocket transport. */
export interface TransportOwner extends PacketOwner {
  /**
   * Called with each Engine.IO message, instead of `onPacket` with a packet. `bytes`: its length.
   * The bytes of a binary one are valid only during the call.
   */
  onMessage(frame: Frame, bytes: number): void;
  /** Called when the client has answered a ping, instead of `onPacket` with a packet. */
  onPong(): void;
  /** Called with every other packet, and with those that others listen to. */
  onPacket(packet: EnginePacket): void;
  /** Called when it may send. */
  flush(): void;
  /** Called when what it has sent has left. */
  onDrain(): void;
  onError(error: Error): void;
  onClose(reason: string, description: unknown): void;
  /** Called when uWebSockets.js could not write everything: `bytes` are unsent in user space. */
  press(bytes: number): void;
  /** Called when nothing is unsent in user space any more. */
  relieve(): void;
  /** Reads the number of unsent bytes, and acts on it. */
  look(): void;
}

/** A ping of Engine.IO 4. */
const PING = "2";
/** The character that a pong consists of, and the one before the text of a message. */
const PONG = 0x33;
const MESSAGE = 0x34;

/** How a WebSocket closed, in the shape of socket.io-client's close details. */
export interface CloseDetails {
  readonly description: string;
  readonly context: { readonly code: number; readonly reason: string };
}

/**
 * The WebSocket transport of one connection.
 *
 * Unlike engine.io's, it is `writable` only while uWebSockets.js holds no unsent bytes for it,
 * emits `drain` only once those are sent, and may be used before the WebSocket opens and after it
 * closes.
 */
export class WebSocketTransport extends EngineTransport implements Writer {
  override readonly name = "websocket";
  readonly handlesUpgrades = true;
  perMessageDeflate: unknown = null;
  override owner: TransportOwner | undefined;
  /** The open WebSocket; undefined before and after. */
  ws: WebSocket<WebSocketData> | undefined;
  /** Set to close without waiting for unsent bytes. */
  abrupt = false;
  /** Bytes of the message that is being read. */
  messageBytes = 0;
  batch = 0;
  #pressed = false;
  #probed = false;
  #paused = false;
  #closeCode = 1000;
  #closeText = "";
  /** Whether what is being sent has to wait for earlier broadcasts. */
  #waits = false;
  readonly #reading: Reading;
  readonly #writes: Writes;
  readonly #socket: IncomingRequest["socket"];
  readonly #write = (data: Frame): void => {
    if (this.#waits) this.#writes.sendLater(this, data);
    // 1: written or corked. 0: some bytes stay in user space. 2 (dropped) needs a maxBackpressure.
    else if (this.ws?.send(data, typeof data !== "string", false) !== 1) this.#pressed = true;
  };

  constructor(request: IncomingRequest, reading: Reading, writes: Writes) {
    super(request);
    this.#socket = request.socket;
    this.#reading = reading;
    this.#writes = writes;
  }

  /** Sets code and text of the close frame that this server sends. */
  explain(code: number, text: string): void {
    this.#closeCode = code;
    this.#closeText = text;
  }

  /** Stops reading from the client; while it is to drain, from then on. */
  pause(): void {
    this.#paused = true;
    if (this.ws && this.writable) this.#reading.pause(this.ws);
  }

  /** Reads from the client again. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.ws && this.writable) this.#reading.resume(this.ws);
  }

  /** Called when the WebSocket is open. */
  onOpen(ws: WebSocket<WebSocketData>): void {
    this.ws = ws;
    if (this.readyState !== "open") {
      ws.end(this.#closeCode, this.#closeText);
      return;
    }
    this.writable = true;
    if (this.#paused) this.pause();
    this.tellReady();
  }

  /** Tells its connection, and whoever else listens, that more may be sent. */
  tellReady(): void {
    this.owner?.flush();
    this.emit("ready");
  }

  /** Tells its connection, and whoever else listens, that what was sent has left. */
  tellDrained(): void {
    this.owner?.onDrain();
    this.emit("drain");
  }

  /** Called with each message. Its bytes are valid only during the call. */
  onMessage(bytes: Buffer, isBinary: boolean): void {
    this.messageBytes = bytes.length;
    // Nobody but the connection hears of packets here.
    const owner = this.protocol === 4 && isUnheard(this, "packet") ? this.owner : undefined;
    if (owner && isBinary) owner.onMessage(bytes, bytes.length);
    else if (owner && bytes[0] === MESSAGE)
      owner.onMessage(bytes.toString("utf8", 1), bytes.length - 1);
    else if (owner && bytes[0] === PONG && bytes.length === 1) owner.onPong();
    else this.onData(isBinary ? bytes : bytes.toString());
    if (this.#paused) this.pause();
  }

  /** Called when the WebSocket has closed, whichever side closed it. */
  onEnd(code: number, reason: string): void {
    this.ws = undefined;
    this.writable = false;
    this.readyState = "closed";
    const details: CloseDetails = {
      description: `websocket closed with ${code}${reason ? ` (${reason})` : ""}`,
      context: { code, reason },
    };
    this.owner?.onClose("transport close", details);
    this.emit("close", details);
    this.#socket.closed();
  }

  /** Ends the TCP connection, as `request.destroy()` does on Node.js' http server. */
  destroy(): void {
    this.ws?.close();
  }

  /** Called when uWebSockets.js could write some unsent bytes. */
  onDrain(): void {
    if (this.writable || !this.ws || this.ws.getBufferedAmount() > 0) return;
    this.writable = true;
    this.owner?.relieve();
    if (this.#paused) this.pause();
  }

  /** Called when the client sent a WebSocket ping, which uWebSockets.js answers itself. */
  onPing(): void {
    if (this.ws?.getBufferedAmount() === 0) return;
    // Pongs pile up if the client does not read. Without an open connection nothing bounds them.
    if (this.owner && this.readyState === "open") this.owner.look();
    else this.ws?.close();
  }

  override onPacket(packet: EnginePacket): void {
    // An upgrade needs one probe. Rate limits apply only with an owner, so refuse a second probe.
    if (!this.owner && packet.type === "ping") {
      if (this.#probed) {
        this.onError("probed twice");
        return;
      }
      this.#probed = true;
    }
    this.owner?.onPacket(packet);
    super.onPacket(packet);
  }

  override onError(message: string, description?: unknown): void {
    const error = new Error(message);
    this.owner?.onError(Object.assign(error, { type: "TransportError", description }));
    super.onError(message, description);
  }

  override send(packets: EnginePacket[]): void {
    if (!this.ws) return;
    this.writable = false;
    this.#pressed = false;
    this.#waits = this.#writes.mustWait(this);
    for (const packet of packets) {
      // In Engine.IO 4 a text frame is the type and the text; binary messages are sent unchanged.
      if (this.protocol === 4 && packet.type === "message" && packet.data !== undefined) {
        this.#write(typeof packet.data === "string" ? `4${packet.data}` : packet.data);
      } else {
        this.parser.encodePacket(packet, this.supportsBinary, this.#write);
      }
    }
    const unsent = this.#pressed ? (this.ws?.getBufferedAmount() ?? 0) : 0;
    if (unsent > 0 && this.owner) {
      this.owner.press(unsent);
      return;
    }
    this.writable = this.ws !== undefined;
    this.tellDrained();
    this.tellReady();
  }

  /** Whether nobody but its connection hears of `drain` and `ready`. */
  isOwned(): boolean {
    return this.owner !== undefined && isUnheard(this, "drain") && isUnheard(this, "ready");
  }

  /**
   * Sends one message while it is writable; returns the bytes of the message. Other than `send` it
   * emits no `drain` and no `ready`, which would tell the connection that it may send more.
   */
  sendMessage(frame: Frame): number {
    const isText = typeof frame === "string";
    // Measured with its prefix, so that V8 joins the parts of the text once, not again to send it.
    const message = isText ? `4${frame}` : frame;
    const bytes = isText ? bytesOf(message) - 1 : frame.length;
    this.#sendNow(message);
    return bytes;
  }

  /** Sends a ping while it is writable, as `sendMessage` does. */
  sendPing(): void {
    this.#sendNow(PING);
  }

  #sendNow(data: Frame): void {
    // As in #write().
    if (this.#writes.mustWait(this)) this.#writes.sendLater(this, data);
    else if (this.ws?.send(data, typeof data !== "string", false) !== 1) this.unsent();
  }

  /** Called when a message could not be written whole. */
  unsent(): void {
    const bytes = this.ws?.getBufferedAmount() ?? 0;
    if (bytes > 0) this.owner?.press(bytes);
  }

  override doClose(done: () => void): void {
    this.#writes.settle();
    done();
    if (this.abrupt) this.ws?.close();
    else this.ws?.end(this.#closeCode, this.#closeText);
  }
}

/** Whether a transport is a WebSocket. */
export function isWebSocket(transport: EngineTransportBase): transport is WebSocketTransport {
  return transport instanceof WebSocketTransport;
}

/** Returns the size of a packet's data as received. For a WebSocket it is known, not counted. */
export function receivedBytes(transport: EngineTransportBase, data: Frame | undefined): number {
  if (data === undefined) return 0;
  // Subtract the packet's type, the first character of a text message, unless it is empty.
  const counted = typeof data === "string" && isWebSocket(transport);
  return counted ? Math.max(0, transport.messageBytes - 1) : bytesOf(data);
}
