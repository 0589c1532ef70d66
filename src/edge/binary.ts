import { addTags, removeTags } from "../core/tagged-json.ts";
import { fromBase64, toBase64 } from "./base64.ts";

/** Returns a value as JSON can carry it: bytes become `{"$binary":"<base64>"}`. */
export function spell(value: unknown): unknown {
  return addTags(value, toBase64);
}

/** Returns parsed JSON with its bytes as Uint8Arrays, and what only looks like bytes as it is. */
export function revive(value: unknown): unknown {
  return removeTags(value, fromBase64);
}
