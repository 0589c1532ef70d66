import { UsageError } from "../rig/args.ts";
import type { Codec } from "../wire/packets.ts";

/** Returns the codec of a word of the command line; throws {@link UsageError}. */
export function readCodec(word: string): Codec {
  if (word === "json" || word === "msgpack") return word;
  throw new UsageError(`--codec ${word} is neither json nor msgpack`);
}
