import type { FailureCode } from "../core/failures.ts";
import type { CodecName, Frame, Frames, Packet } from "../core/packet.ts";
import { createFrameReader, type FrameReader } from "./frame-reader.ts";
import { encodeJson } from "./json/encode.ts";
import { type CodecSettings, limitConnect } from "./limits.ts";
import { createMsgpackDecoder } from "./msgpack/decode.ts";
import { createMsgpackEncoder, type EncodeMsgpack } from "./msgpack/encode.ts";

export type { FrameReader } from "./frame-reader.ts";

/** Converts between frames and packets, in msgpack and JSON. */
export interface Codec {
  /** Returns the packet's frames. Each codec encodes them when they are first asked for. */
  encode(packet: Packet): Frames;
  /** Returns the reader of one connection. An Engine.IO 3 connection needs `"json"`. */
  createReader(fixed?: CodecName): FrameReader;
  /** For the `parser` option of a Socket.IO server whose connections write {@link Frames}. */
  readonly parser: {
    /** Hands a packet to `conn.write` as one {@link Frames}: the codec is not known yet. */
    readonly Encoder: new () => { encode(packet: Packet): [Frames] };
    readonly Decoder: typeof PassThrough;
  };
  /** Numbers of packets so far. */
  samples(): {
    /** Packets encoded, by codec. */
    readonly encoded: Readonly<Record<CodecName, number>>;
    /** Packets decoded, by codec. */
    readonly decoded: Readonly<Record<CodecName, number>>;
    /** By failure code; codes that have not occurred are absent. */
    readonly refused: Readonly<Partial<Record<FailureCode, number>>>;
  };
}

/** Returns the codec of one gateway. */
export function createCodec(settings: CodecSettings): Codec {
  const encoded: Record<CodecName, number> = { msgpack: 0, json: 0 };
  const decoded: Record<CodecName, number> = { msgpack: 0, json: 0 };
  const refused: Partial<Record<FailureCode, number>> = {};
  const encodeMsgpack = createMsgpackEncoder();
  const connectLimits = limitConnect(settings);
  const shared = {
    any: { limits: settings, decodeMsgpack: createMsgpackDecoder(settings) },
    connect: { limits: connectLimits, decodeMsgpack: createMsgpackDecoder(connectLimits) },
    accept: settings.accept,
    seen: {
      decoded(codec: CodecName) {
        decoded[codec] += 1;
      },
      refused(reason: FailureCode) {
        refused[reason] = (refused[reason] ?? 0) + 1;
      },
    },
  };

  const encode = (packet: Packet): Frames => new PacketFrames(packet, encodeMsgpack, encoded);

  return {
    encode,
    createReader: (fixed) => createFrameReader(shared, fixed),
    parser: {
      Encoder: class {
        encode(packet: Packet): [Frames] {
          return [encode(packet)];
        }
      },
      Decoder: PassThrough,
    },
    samples: () => ({
      encoded: { ...encoded },
      decoded: { ...decoded },
      refused: { ...refused },
    }),
  };
}

/** A class, because creating closures for each packet costs as much as encoding a short one. */
class PacketFrames implements Frames {
  readonly type: number;
  readonly #packet: Packet;
  readonly #encodeMsgpack: EncodeMsgpack;
  readonly #encoded: Record<CodecName, number>;
  #msgpack: readonly Frame[] | undefined;
  #json: readonly Frame[] | undefined;
  #kept: { [C in CodecName]?: readonly Frame[] } | undefined;

  constructor(packet: Packet, encodeMsgpack: EncodeMsgpack, encoded: Record<CodecName, number>) {
    this.type = packet.type;
    this.#packet = packet;
    this.#encodeMsgpack = encodeMsgpack;
    this.#encoded = encoded;
  }

  of(codec: CodecName): readonly Frame[] {
    if (codec === "msgpack") {
      if (this.#msgpack) return this.#msgpack;
      this.#msgpack = [this.#encodeMsgpack(this.#packet)];
      this.#encoded.msgpack += 1;
      return this.#msgpack;
    }
    if (this.#json) return this.#json;
    this.#json = encodeJson(this.#packet);
    this.#encoded.json += 1;
    return this.#json;
  }

  keep(codec: CodecName): readonly Frame[] {
    this.#kept ??= {};
    const known = this.#kept[codec];
    if (known) return known;
    const kept = this.of(codec).map(codec === "json" ? keepOwn : keepSlice);
    this.#kept[codec] = kept;
    if (codec === "json") this.#json = kept;
    return kept;
  }
}

/** Returns a frame that owns its bytes, so that it may be held. */
function keepOwn(frame: Frame): Frame {
  if (typeof frame === "string") return frame;
  // Buffer.from would cut it from Node.js' shared pool, and a held frame would keep the pool alive.
  const own = Buffer.allocUnsafeSlow(frame.length);
  frame.copy(own);
  return own;
}

/** Copies a frame that is less than half of its buffer, which it would keep alive while held. */
function keepSlice(frame: Frame): Frame {
  const isSlice = typeof frame !== "string" && frame.buffer.byteLength > 2 * frame.length;
  return isSlice ? keepOwn(frame) : frame;
}

/**
 * Passes packets through, because the connection has already decoded them with its reader.
 *
 * Socket.IO creates one per connection and adds one listener, so an EventEmitter is not needed.
 */
class PassThrough {
  #listener: ((packet: Packet) => void) | undefined;

  add(packet: Packet): void {
    this.#listener?.(packet);
  }

  on(_event: "decoded", listener: (packet: Packet) => void): void {
    this.#listener = listener;
  }

  removeListener(_event: "decoded", listener: (packet: Packet) => void): void {
    if (this.#listener === listener) this.#listener = undefined;
  }

  destroy(): void {
    this.#listener = undefined;
  }
}
