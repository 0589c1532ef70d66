import { FailureError } from "../../core/failures.ts";
import type { Packet } from "../../core/packet.ts";
import type { Unfinished } from "./decode.ts";

/**
 * Takes the next attachment, a copy unless it is lasting; returns the packet once it is complete.
 */
export type TakeAttachment = (bytes: Buffer, lasting: boolean) => Packet | undefined;

/**
 * Returns what puts the attachments of one packet into their places, in the order they come.
 *
 * Throws CODEC_TOO_LARGE as soon as the text of `textBytes` and its attachments are together larger
 * than `packetBytesMax`: until its last attachment has come, a packet is memory that a client
 * holds.
 */
export function awaitAttachments(
  { packet, places }: Unfinished,
  textBytes: number,
  packetBytesMax: number,
): TakeAttachment {
  let next = 0;
  let held = textBytes;
  return (bytes, lasting) => {
    const place = places[next];
    if (!place) throw new FailureError("CODEC_BAD_SHAPE", "an attachment of no packet");
    held += bytes.length;
    if (held > packetBytesMax) throw new FailureError("CODEC_TOO_LARGE");
    place.holder[place.key] = lasting ? bytes : Buffer.from(bytes);
    next += 1;
    return next < places.length ? undefined : packet;
  };
}
