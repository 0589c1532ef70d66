import { FailureError } from "../../core/failures.ts";
import type { Packet } from "../../core/packet.ts";
import { checkPacket, type Limits } from "../limits.ts";
import {
  begin,
  claim,
  createFrameCursor,
  end,
  type FrameCursor,
  take16,
  take32,
  takeByte,
} from "./frame-cursor.ts";
import { takeData, takeKey, takeName, takeValue } from "./read.ts";

/** Reads one packet; `lasting` says whether the frame's bytes stay valid after the call. */
export type DecodeMsgpack = (frame: Buffer, lasting: boolean) => Packet;

/**
 * Returns the decoder of the msgpack codec. Its wire format is that of notepack.io 2, which
 * socket.io-msgpack-parser uses.
 *
 * A declared length allocates nothing before it is checked: strings and binary values against the
 * rest of the frame, the members of all arrays and maps together against the frame's length and
 * `elementsMax`. Binary values are copies, or views on a lasting frame.
 *
 * Throws {@link FailureError}. Not re-entrant, which is safe because it calls no code of others.
 */
export function createMsgpackDecoder(limits: Limits): DecodeMsgpack {
  const cursor = createFrameCursor(limits);
  return (frame, lasting) => {
    begin(cursor, frame, lasting);
    try {
      return takePacket(cursor);
    } finally {
      end(cursor);
    }
  };
}

function takePacket(from: FrameCursor): Packet {
  let type: unknown;
  let nsp: unknown;
  let id: unknown;
  let data: unknown;
  for (let left = takePacketHead(from); left > 0; left--) {
    switch (takeKey(from)) {
      case "type":
        type = takeValue(from);
        break;
      case "data":
        data = takeData(from);
        break;
      case "nsp":
        nsp = takeName(from);
        break;
      case "id":
        id = takeValue(from);
        break;
      default:
        // Unknown keys, perhaps of later protocols, are skipped within the same limits.
        takeValue(from);
    }
  }
  if (from.at !== from.end) throw new FailureError("CODEC_MALFORMED", "bytes after the packet");
  return checkPacket(from.limits, { type, nsp, id, data });
}

function takePacketHead(from: FrameCursor): number {
  const head = takeByte(from);
  let length: number;
  if (head >= 0x80 && head < 0x90) length = head & 0x0f;
  else if (head === 0xde) length = take16(from);
  else if (head === 0xdf) length = take32(from);
  else throw new FailureError("CODEC_MALFORMED", "the packet is not a map");
  claim(from, 2 * length);
  return length;
}
