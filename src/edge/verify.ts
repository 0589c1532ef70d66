import { tryBase64 } from "./binary.ts";

/** The parts of a request that its signature covers. */
export interface Signed {
  /** Returns the header of a name in lower case. */
  header(name: string): string | null | undefined;
  /** The body as it was received. */
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** Options of {@link verify}. */
export interface VerifyOptions {
  /** How far the timestamp may be from now. Default: 300 seconds. */
  readonly toleranceSeconds?: number;
  /** The current time, in milliseconds since 1970. Default: the system's clock. */
  readonly now?: number;
}

/** A call that none of the secrets signed, or whose timestamp is too far from now. */
export class VerifyError extends Error {}

const TOLERANCE_SECONDS = 300;
const PREFIX = "whsec_";
const HMAC = { name: "HMAC", hash: "SHA-256" } as const;
const keys = new Map<string, Promise<CryptoKey>>();

/**
 * Resolves with the `webhook-id` when one of `secrets` (`whsec_…`) signed the body, and the
 * timestamp is at most the tolerance away from now. Rejects with {@link VerifyError}, or with a
 * TypeError without a secret. Signatures are compared in constant time.
 *
 * To detect replays, remember every id for as long as the tolerance. Source: Standard Webhooks.
 */
export async function verify(
  signed: Signed,
  secrets: string | readonly string[],
  options: VerifyOptions = {},
): Promise<string> {
  const own = readSecrets(secrets);
  const id = signed.header("webhook-id");
  const timestamp = signed.header("webhook-timestamp") ?? "";
  const signatures = signed.header("webhook-signature");
  if (!id || !signatures) throw new VerifyError("a signature header is missing");
  const { toleranceSeconds = TOLERANCE_SECONDS, now = Date.now() } = options;
  const age = Math.abs(
    now / 1000 - (/^\d{1,12}$/.test(timestamp) ? Number(timestamp) : Number.NaN),
  );
  if (!(age <= toleranceSeconds)) throw new VerifyError("the timestamp is too far from now");
  const content = concat(`${id}.${timestamp}.`, signed.body);
  for (const secret of own) {
    // Sign once per secret, not once per signature: the sender chooses how many of those it lists.
    const made = new Uint8Array(await crypto.subtle.sign(HMAC, await keyOf(secret), content));
    for (const one of signatures.split(" ")) {
      const given = one.startsWith("v1,") ? tryBase64(one.slice(3)) : undefined;
      if (given && isSame(given, made)) return id;
    }
  }
  throw new VerifyError("no signature is of one of the secrets");
}

/** Returns the secrets as a list. Throws a TypeError if there are none, or one is not base64. */
export function readSecrets(given: string | readonly string[]): readonly string[] {
  const secrets = typeof given === "string" ? [given] : (given ?? []);
  if (secrets.length > 0 && secrets.every((one) => bytesOf(one)?.length)) return secrets;
  throw new TypeError(
    "`secret` must be the gateway's upstream.secrets: whsec_…, or a list of them",
  );
}

function bytesOf(secret: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (typeof secret !== "string") return undefined;
  return tryBase64(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret);
}

function keyOf(secret: string): Promise<CryptoKey> {
  let key = keys.get(secret);
  if (!key) {
    const bytes = bytesOf(secret) ?? new Uint8Array(); // readSecrets() has checked it
    key = crypto.subtle.importKey("raw", bytes, HMAC, false, ["sign"]);
    keys.set(secret, key);
  }
  return key;
}

// Reads every byte even after a difference, so that the time does not tell where it is.
function isSame(given: Uint8Array, own: Uint8Array): boolean {
  let differs = given.length ^ own.length;
  own.forEach((byte, at) => {
    differs |= byte ^ (given[at] ?? 0);
  });
  return differs === 0;
}

function concat(head: string, body: string | Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const first = encoder.encode(head);
  const rest = typeof body === "string" ? encoder.encode(body) : body;
  const all = new Uint8Array(first.length + rest.length);
  all.set(first);
  all.set(rest, first.length);
  return all;
}
