import { createHmac, timingSafeEqual } from "node:crypto";
import { isBytes, viewOn } from "../core/bytes.ts";

/** Signs what goes on the bus, and knows what was signed with the same key. */
export interface Seal {
  readonly hasKey: boolean;
  /** Returns the message with its signature; without a key, as it is. */
  sign<T extends object>(message: T): T;
  /** Whether it carries the signature of this key; without a key everything does. */
  isSigned(message: object): boolean;
}

const FIELD = "mac";

/**
 * Returns the seal of a key for one bus, which `prefix` names: HMAC-SHA256 over the prefix and a
 * form of the message that no bus changes.
 *
 * Adapters send a message as JSON or as msgpack: undefined becomes nothing or null, a Date becomes
 * text, typed arrays become others. The form is the same before and after each of these.
 */
export function createSeal(key: string, prefix: string): Seal {
  if (key === "") {
    return { hasKey: false, sign: (message) => message, isSigned: () => true };
  }
  const digest = (message: object): Buffer => {
    const { [FIELD]: _, ...rest } = message as Record<string, unknown>;
    return createHmac("sha256", key)
      .update(canonical([prefix, rest]))
      .digest();
  };
  return {
    hasKey: true,
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

function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (isBytes(value)) return `b${viewOn(value).toString("base64")}`;
  const { toJSON } = value as { toJSON?: () => unknown };
  if (typeof toJSON === "function") return canonical(toJSON.call(value));
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined && item !== null && typeof item !== "function")
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, item]) => `${JSON.stringify(name)}:${canonical(item)}`);
  return `{${entries.join()}}`;
}
