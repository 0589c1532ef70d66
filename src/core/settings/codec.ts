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
});
