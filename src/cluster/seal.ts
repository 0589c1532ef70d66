import { createHmac, timingSafeEqual } from "node:crypto";
import { decode, encode } from "@msgpack/msgpack";

/** Signs what goes on the bus, and knows what was signed with the same key. */
export interface Seal {
  /** Returns the message with its signature; without a key, as it is. */
  sign<T extends object>(message: T): T;
  /** Whether it carries the signature of this key; without a key everything does. */
  isSigned(message: object): boolean;
}

const FIELD = "mac";

/**
 * Returns the seal of a key: HMAC-SHA256 over the message's msgpack form.
 *
 * A message is brought into the form it has after the bus before it is signed, so that what a bus
 * does to undefined or to typed arrays does not break its signature.
 */
export function createSeal(key: string): Seal {
  if (key === "") return { sign: (message) => message, isSigned: () => true };
  const digest = (message: object): Buffer => {
    const rest: Record<string, unknown> = { ...message };
    delete rest[FIELD];
    const sorted = Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1));
    return createHmac("sha256", key)
      .update(encode(decode(encode(sorted))))
      .digest();
  };
  return {
    sign: (message) => ({ ...message, [FIELD]: digest(message).toString("base64") }),
    isSigned(message) {
      const mac = (message as Record<string, unknown>)[FIELD];
      if (typeof mac !== "string") return false;
      const given = Buffer.from(mac, "base64");
      const wanted = digest(message);
      return given.length === wanted.length && timingSafeEqual(given, wanted);
    },
  };
}
