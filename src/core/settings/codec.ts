import * as z from "zod/mini";
import { choice, integer } from "./field.ts";

/** The section `codec`; its sentence is in `SETTINGS`. */
export const codec = z.strictObject({
  accept: choice(["both", "msgpack", "json"], "both", "Codecs that clients may use."),
  depthMax: integer(32, 2, 1000, "How deep the data of a packet may nest."),
  elementsMax: integer(100_000, 16, 10_000_000, "Values in one packet, nested ones included."),
  nameBytesMax: integer(256, 16, 65_536, "Length of an event or namespace name, in bytes."),
  // Socket.IO's own JSON parser accepts 10. A broadcast with more would disconnect JSON clients.
  attachmentsMax: integer(10, 1, 1000, "Binary values in one packet, in either codec."),
  // A CONNECT comes from an unauthenticated client, and its auth stays in memory as long as its
  // socket. A token of auth.tokenBytesMax fits.
  connectBytesMax: integer(
    16_384,
    256,
    1_048_576,
    "Size of a CONNECT in bytes, its token included. Also holds for any packet that arrives before the first CONNECT is answered.",
  ),
  connectElementsMax: integer(
    256,
    8,
    100_000,
    "Values in the auth of a CONNECT, nested ones included.",
  ),
  connectDepthMax: integer(8, 1, 1000, "How deep the auth of a CONNECT may nest."),
});
