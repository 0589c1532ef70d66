import { UsageError } from "../rig/args.ts";
import type { Shape } from "../subjects/host.ts";
import type { Codec } from "../wire/packets.ts";

const SHAPES = ["namespace", "room", "sender", "except", "union"] as const;

/** Returns the codec of a word of the command line; throws {@link UsageError}. */
export function readCodec(word: string): Codec {
  if (word === "json" || word === "msgpack") return word;
  throw new UsageError(`--codec ${word} is neither json nor msgpack`);
}

/** Returns the shape of a word of the command line; throws {@link UsageError}. */
export function readShape(word: string): Shape {
  const shape = SHAPES.find((known) => known === word);
  if (shape) return shape;
  throw new UsageError(`--shapes ${word} is none of ${SHAPES.join(", ")}`);
}
