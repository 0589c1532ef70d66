import { bytesOf, type Frame } from "../core/packet.ts";
import type { WebSocket } from "../host/native.ts";
import {
  type EnginePacket,
  type EngineRequest,
  EngineTransport,
  type EngineTransportBase,
  type PacketOwner,
} from "./engine-io.ts";

/** What uWebSockets.js keeps with each WebSocket. */
export interface WebSocketData {
  /** Absent when the WebSocket is only opened to be told that it is one too many. */
  transport: WebSocketTransport | undefined;
  /** The response that middlewares had, which may want to hear of the end. */
  response: { emit(event: "close"): unknown } | undefined;
}

/** What a transport tells the connection it carries. */
export interface TransportOwner extends PacketOwner {
  /** uWebSockets.js could not write everything: `bytes` are unsent in user space. */
  press(bytes: number): void;
  /** Nothing is unsent in user space any more. */
  relieve(): void;
  /** Looks at what is unsent. */
  look(): void;
}

/** How a WebSocket ended, in the shape socket.io-client gives its own close details. */
export interface CloseDetails {
  readonly description: string;
  readonly context: { readonly code: number; readonly reason: string };
}

/**
 * The WebSocket transport of one connection.
 *
 * Unlike engine.io's own it is `writable` only while uWebSockets.js holds nothing unsent for it,
 * emits `drain` when that has really gone out, and survives being used before the WebSocket opened
 * and after it closed.
 */
export class WebSocketTransport extends EngineTransport {
  override readonly name = "websocket";
  readonly handlesUpgrades = true;
  perMessageDeflate: unknown = null;
  override owner: TransportOwner | undefined;
  /** The open WebSocket; undefined before and after. */
  ws: WebSocket<WebSocketData> | undefined;
  /** What to tell the peer when this side closes. */
  closeCode = 1000;
  closeText = "";
  /** Set when what is unsent must not be waited for. */
  abrupt = false;
  /** Bytes of the message that is being read. */
  heardBytes = 0;
  #pressed = false;
  #probed = false;
  readonly #socket: EngineRequest["socket"];
  readonly #write = (data: Frame): void => {
    // 1: written or corked. 0: some of it stays in user space. 2 cannot be: maxBackpressure is 0.
    if (this.ws?.send(data, typeof data !== "string", false) !== 1) this.#pressed = true;
  };

  constructor(request: EngineRequest) {
    super(request);
    this.#socket = request.socket;
  }

  /** Called when the WebSocket is open. */
  opened(ws: WebSocket<WebSocketData>): void {
    this.ws = ws;
    if (this.readyState !== "open") {
      ws.end(this.closeCode, this.closeText);
      return;
    }
    this.writable = true;
    this.emit("ready");
  }

  /** Called with each message; its bytes are valid only during the call. */
  heard(bytes: Buffer, isBinary: boolean): void {
    this.heardBytes = bytes.length;
    this.onData(isBinary ? bytes : bytes.toString());
  }

  /** Called when the WebSocket is closed, by whomever. */
  closed(code: number, reason: string): void {
    this.ws = undefined;
    this.writable = false;
    this.readyState = "closed";
    const details: CloseDetails = {
      description: `websocket closed with ${code}${reason ? ` (${reason})` : ""}`,
      context: { code, reason },
    };
    this.emit("close", details);
    this.#socket.closed();
  }

  /** Ends the TCP connection, as `request.destroy()` does on Node.js' http server. */
  destroy(): void {
    this.ws?.close();
  }

  /** Called by uWebSockets.js whenever it could write some of what was unsent. */
  drained(): void {
    if (this.writable || !this.ws || this.ws.getBufferedAmount() > 0) return;
    this.writable = true;
    this.owner?.relieve();
  }

  /** Called when the peer pinged, which uWebSockets.js answers by itself. */
  pinged(): void {
    if (this.ws?.getBufferedAmount() === 0) return;
    // Without an open connection nobody else looks at what waits for a peer that does not read.
    if (this.owner && this.readyState === "open") this.owner.look();
    else this.ws?.close();
  }

  override onPacket(packet: EnginePacket): void {
    // An upgrade takes one probe. What has no owner yet pays no toll, so more must not be answered.
    if (!this.owner && packet.type === "ping") {
      if (this.#probed) {
        this.onError("probed twice");
        return;
      }
      this.#probed = true;
    }
    super.onPacket(packet);
  }

  override send(packets: EnginePacket[]): void {
    if (!this.ws) return;
    this.writable = false;
    this.#pressed = false;
    for (const packet of packets) {
      // Engine.IO 4 needs no more than the type before a text; binary messages go as they are.
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
    this.emit("drain");
    this.emit("ready");
  }

  override doClose(done: () => void): void {
    done();
    if (this.abrupt) this.ws?.close();
    else this.ws?.end(this.closeCode, this.closeText);
  }
}

/** Tells a WebSocket transport from a polling one. */
export function isWebSocket(transport: EngineTransportBase): transport is WebSocketTransport {
  return transport instanceof WebSocketTransport;
}

/** Returns the bytes of a packet's data as they came; a WebSocket knows them without counting. */
export function heardBytes(transport: EngineTransportBase, data: Frame | undefined): number {
  if (data === undefined) return 0;
  // A text message begins with the packet's type, which is none of its data, unless it is empty.
  const counted = typeof data === "string" && isWebSocket(transport);
  return counted ? Math.max(0, transport.heardBytes - 1) : bytesOf(data);
}
