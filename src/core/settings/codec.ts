import * as z from "zod/mini";
import { choice, whole } from "./field.ts";

/** Which packet encodings are spoken, and how much of a packet is believed. */
export const codec = z.strictObject({
  accept: choice(["both", "msgpack", "json"], "both", "Codecs that clients may speak."),
  depthMax: whole(32, 2, 1000, "Levels a packet's data may nest."),
  elementsMax: whole(100_000, 16, 10_000_000, "Values one packet may hold, nested ones included."),
  nameBytesMax: whole(256, 16, 65_536, "Bytes an event or namespace name may have."),
  // 10 is what Socket.IO's own JSON parser accepts: a packet with more would disconnect the JSON
  // clients it is broadcast to.
  attachmentsMax: whole(10, 1, 1000, "Binary values one packet may hold, in either codec."),
  // What a CONNECT carries stays in `handshake.auth` for as long as its socket lives, and comes
  // from strangers. A token of auth.tokenBytesMax fits.
  connectBytesMax: whole(
    16_384,
    256,
    1_048_576,
    "Bytes of a CONNECT, a token in its auth included; of any packet before the first is answered.",
  ),
  connectElementsMax: whole(256, 8, 100_000, "Values a CONNECT's auth may hold, nested included."),
  connectDepthMax: whole(8, 1, 1000, "Levels a CONNECT's auth may nest."),
});
