import { createHmac, timingSafeEqual } from "node:crypto";
import type { Draft, PushedEntry } from "./carrier.ts";
import { isId } from "./event-log.ts";

/** What a frame holds: an entry without its id, or another thing that is written like one. */
export type Framed = Omit<PushedEntry, "id">;

/** An entry, a message (told), a marker, or a note of loss. */
export type FrameKind = "e" | "t" | "m" | "l";

/** Writes what goes through Redis, and reads it. */
export interface Framing {
  /** The bytes before what a frame says: its signature. */
  readonly macBytes: number;
  /** With a key none is taken for one of another kind. */
  write(kind: FrameKind, draft: Draft): Buffer;
  /** Returns what is wrong with it if it is not to be believed. The body is a view. */
  read(kind: FrameKind, frame: Buffer): Framed | "shape" | "signature";
}

const MAC_BYTES = 32;

/**
 * Returns the framing of one log, for a node.
 *
 * A frame is, with a key, HMAC-SHA256 over what the log is and the rest; then the length of the
 * node's name in a byte, and the name; likewise the newest id it knew; the number in eight bytes,
 * as a double; how many channels in four; the length of each in four, its name in UTF-8; the body.
 * The script that appends reads the same.
 */
export function createFraming(key: string, prefix: string, log: [string, string]): Framing {
  const [namespace, node] = log;
  const macBytes = key === "" ? 0 : MAC_BYTES;
  const contextOf = (kind: FrameKind) => JSON.stringify([prefix, namespace, kind]);
  const contexts = { e: contextOf("e"), t: contextOf("t"), m: contextOf("m"), l: contextOf("l") };
  const sign = (kind: FrameKind, rest: Buffer) =>
    createHmac("sha256", key).update(contexts[kind]).update(rest).digest();

  return {
    macBytes,
    write(kind, draft) {
      const { n, at, channels, body } = draft;
      const names = channels.reduce((sum, name) => sum + 4 + Buffer.byteLength(name), 0);
      const head = 1 + node.length + 1 + at.length + 8 + 4 + names;
      const frame = Buffer.allocUnsafe(macBytes + head + body.length);
      let offset = macBytes;
      for (const text of [node, at]) {
        offset = frame.writeUInt8(text.length, offset);
        offset += frame.write(text, offset, "latin1");
      }
      offset = frame.writeDoubleBE(n, offset);
      offset = frame.writeUInt32BE(channels.length, offset);
      for (const channel of channels) {
        const length = frame.write(channel, offset + 4);
        frame.writeUInt32BE(length, offset);
        offset += 4 + length;
      }
      frame.set(body, offset);
      if (macBytes > 0) frame.set(sign(kind, frame.subarray(macBytes)), 0);
      return frame;
    },

    read(kind, frame) {
      if (macBytes > 0) {
        if (frame.length < macBytes) return "signature";
        const mac = sign(kind, frame.subarray(macBytes));
        if (!timingSafeEqual(mac, frame.subarray(0, macBytes))) return "signature";
      }
      try {
        return readFrame(frame, macBytes) ?? "shape";
      } catch {
        return "shape"; // It ends before what it says is in it.
      }
    },
  };
}

/** Returns what a frame holds from an offset on; throws where it is too short. */
function readFrame(frame: Buffer, start: number): Framed | undefined {
  let offset = start;
  const text = () => {
    const length = frame.readUInt8(offset);
    offset += 1 + length;
    return frame.toString("latin1", offset - length, offset);
  };
  const from = text();
  const at = text();
  const n = frame.readDoubleBE(offset);
  const count = frame.readUInt32BE(offset + 8);
  offset += 12;
  const channels: string[] = [];
  for (let each = 0; each < count; each++) {
    const length = frame.readUInt32BE(offset);
    offset += 4 + length;
    if (offset > frame.length) return undefined;
    channels.push(frame.toString("utf8", offset - length, offset));
  }
  if (offset > frame.length || !isId(at) || !Number.isSafeInteger(n) || n < 1) return undefined;
  return { from, n, at, channels, body: frame.subarray(offset) };
}
