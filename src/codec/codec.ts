import type { FailureCode } from "../core/failures.ts";
import type { CodecName, Frame, Frames, Packet } from "../core/packet.ts";
import { keepOwn, keepSlice } from "./held-frames.ts";
import { encodeJson } from "./json/encode.ts";
import { type ConnectBounds, type Limits, limitConnect } from "./limits.ts";
import { createMsgpackDecoder } from "./msgpack/decode.ts";
import { createMsgpackEncoder, type EncodeMsgpack } from "./msgpack/encode.ts";
import { createReader, type Reader } from "./reader.ts";

export type { Reader } from "./reader.ts";

/** The section `codec`, and `packetBytesMax` of the section `socket`. */
export interface CodecSettings extends Limits, ConnectBounds {
  readonly accept: "both" | CodecName;
}

/** Frames ↔ packets, in both codecs. */
export interface Codec {
  /**
   * Returns the packet's frames, none of them made yet: each codec's are made when they are first
   * asked for, and kept.
   */
  encode(packet: Packet): Frames;
  /** Returns the reader of one connection; of an Engine.IO 3 connection with `"json"`. */
  createReader(fixed?: CodecName): Reader;
  /** For the `parser` option of a Socket.IO server whose connections write {@link Frames}. */
  readonly parser: {
    readonly Encoder: new () => ParserEncoder;
    readonly Decoder: new () => ParserDecoder;
  };
  /** What has happened so far; plain numbers that only grow. */
  samples(): CodecSamples;
}

/** What a codec has done, in packets. */
export interface CodecSamples {
  readonly encoded: Readonly<Record<CodecName, number>>;
  readonly decoded: Readonly<Record<CodecName, number>>;
  /** By the code of the failure; codes that have not occurred are absent. */
  readonly refused: Readonly<Partial<Record<FailureCode, number>>>;
}

/** Hands a packet to `conn.write` as one {@link Frames}, which knows no codec yet. */
export interface ParserEncoder {
  encode(packet: Packet): [Frames];
}

/** Passes packets through, because the connection has already decoded them with its reader. */
export interface ParserDecoder {
  add(packet: Packet): void;
  on(event: "decoded", listener: (packet: Packet) => void): void;
  removeListener(event: "decoded", listener: (packet: Packet) => void): void;
  destroy(): void;
}

/** Returns the codec of one gateway. */
export function createCodec(settings: CodecSettings): Codec {
  const encoded: Record<CodecName, number> = { msgpack: 0, json: 0 };
  const decoded: Record<CodecName, number> = { msgpack: 0, json: 0 };
  const refused: Partial<Record<FailureCode, number>> = {};
  const encodeMsgpack = createMsgpackEncoder();
  const connectLimits = limitConnect(settings);
  const readerNeeds = {
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
    createReader: (fixed) => createReader(readerNeeds, fixed),
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

/**
 * A class because there is one a packet: closures would take as long as the encoding of a short
 * one.
 */
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

// Socket.IO makes one per connection with `new` and adds one listener, so it is no EventEmitter.
class PassThrough implements ParserDecoder {
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
