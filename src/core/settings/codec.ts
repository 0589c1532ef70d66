import * as z from "zod/mini";
import { choice, integer } from "./field.ts";

/** The section `codec`; its sentence is in `SETTINGS`. */
export const codec = z.strictObject({
  accept: choice(["both", "msgpack", "json"], "both", "Codecs that clients may speak."),
  depthMax: integer(32, 2, 1000, "Levels a packet's data may nest."),
  elementsMax: integer(
    100_000,
    16,
    10_000_000,
    "Values one packet may hold, nested ones included.",
  ),
  nameBytesMax: integer(256, 16, 65_536, "Bytes an event or namespace name may have."),
  // Socket.IO's own JSON parser accepts 10. A broadcast with more would disconnect JSON clients.
  attachmentsMax: integer(10, 1, 1000, "Binary values one packet may hold, in either codec."),
  // A CONNECT comes from an unauthenticated client, and its auth stays in memory as long as its
  // socket. A token of auth.tokenBytesMax fits.
  connectBytesMax: integer(
    16_384,
    256,
    1_048_576,
    "Bytes of a CONNECT, a token in its auth included; of any packet before the first is answered.",
  ),
  connectElementsMax: integer(
    256,
    8,
    100_000,
    "Values a CONNECT's auth may hold, nested included.",
  ),
  connectDepthMax: integer(8, 1, 1000, "Levels a CONNECT's auth may nest."),
});
