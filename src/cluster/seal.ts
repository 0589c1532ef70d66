import { createHmac, timingSafeEqual } from "node:crypto";

/** Signs what goes between nodes as text, and knows what was signed with the same key. */
export interface Seal {
  readonly hasKey: boolean;
  /** Returns the signature of some texts; without a key, nothing. */
  sign(texts: readonly string[]): string;
  /** Whether it is the signature of these texts by this key; without a key everything is. */
  isSigned(texts: readonly string[], signature: string | undefined): boolean;
}

/** Returns the seal of a key for one bus, which `prefix` names: HMAC-SHA256 over that and texts. */
export function createSeal(key: string, prefix: string): Seal {
  if (key === "") return { hasKey: false, sign: () => "", isSigned: () => true };
  const digest = (texts: readonly string[]): Buffer =>
    createHmac("sha256", key)
      .update(JSON.stringify([prefix, ...texts]))
      .digest();
  return {
    hasKey: true,
    sign: (texts) => digest(texts).toString("base64"),
    isSigned(texts, signature = "") {
      const given = Buffer.from(signature, "base64");
      const wanted = digest(texts);
      return given.length === wanted.length && timingSafeEqual(given, wanted);
    },
  };
}
