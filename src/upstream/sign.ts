import { createHmac } from "node:crypto";
import { SettingsError } from "../core/settings.ts";

/** The headers that prove who sent a body. */
export interface Signature {
  readonly timestamp: string;
  readonly signature: string;
}

/** Signs one attempt of a call. */
export type Sign = (id: string, body: Buffer) => Signature;

const PREFIX = "whsec_";
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
const KEY_BYTES = { min: 24, max: 64 } as const;

/**
 * Returns the signer of Standard Webhooks: HMAC-SHA256 of `id.timestamp.body` under every secret,
 * in one list, so that a receiver that knows any of them accepts the call while secrets rotate.
 *
 * Throws {@link SettingsError} for secrets that are not `whsec_` and 24 to 64 bytes of base64.
 * `now` is the wall clock in milliseconds. Source: Standard Webhooks specification, "Signature
 * scheme".
 */
export function createSigner(secrets: readonly string[], now: () => number): Sign {
  const keys = secrets.map(readSecret);
  return (id, body) => {
    const timestamp = String(Math.floor(now() / 1000));
    const head = `${id}.${timestamp}.`;
    let signature = "";
    for (const key of keys) {
      const mac = createHmac("sha256", key).update(head).update(body).digest("base64");
      signature += signature === "" ? `v1,${mac}` : ` v1,${mac}`;
    }
    return { timestamp, signature };
  };
}

function readSecret(secret: string): Buffer {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : "";
  const key = Buffer.from(text, "base64");
  if (BASE64.test(text) && key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max) return key;
  const bound = `must be ${PREFIX} and ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes in base64`;
  throw new SettingsError([{ path: "upstream.secrets", value: "(secret)", bound }]);
}
