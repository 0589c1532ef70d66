import { createPublicKey, type KeyObject } from "node:crypto";
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import { FailureError } from "../core/failures.ts";
import { readSettingFile } from "../core/setting-files.ts";
import { type Settings, SettingsError, showValue } from "../core/settings.ts";
import { createKeySet, type KeySet, type KeySetNeeds } from "./key-set.ts";

/** The claims of a valid token. */
export type Claims = JWTPayload;

/** Checks a token's signature, times, issuer and audience. Rejects with a FailureError (AUTH_*). */
export type TokenCheck = (token: string) => Promise<Claims>;

type Key = Parameters<typeof jwtVerify>[1];

const SHARED = ["HS256", "HS384", "HS512"];
const RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const CURVES: Readonly<Record<string, string>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};
const PUBLIC = [...RSA, ...Object.values(CURVES), "EdDSA", "Ed25519"];
/** RFC 7518, section 3.2: a key as long as the hash. Shorter ones can be guessed offline. */
const SECRET_BYTES_MIN = 32;

/**
 * Returns the check of JSON Web Tokens against the key source that is set: a shared secret, a
 * public key, or a key set behind a URL.
 *
 * The kind of key decides which algorithms are accepted, never the token alone. So a token cannot
 * make the check use a public key as a shared secret. Throws {@link SettingsError} at start if no
 * key source is set or several are, or if the key is too short or does not fit `auth.algorithms`.
 */
export function createTokenCheck(settings: Settings["auth"], needs: KeySetNeeds): TokenCheck {
  const { key, fitting } = readKey(settings, needs);
  const algorithms = readAlgorithms(settings.algorithms, fitting);
  const fixed: JWTVerifyOptions = {
    algorithms,
    clockTolerance: settings.clockToleranceMs / 1000,
    requiredClaims: [settings.userClaim],
    ...(settings.issuer.length > 0 && { issuer: settings.issuer }),
    ...(settings.audience.length > 0 && { audience: settings.audience }),
  };
  return async (token) => {
    try {
      const options = { ...fixed, currentDate: new Date(needs.now()) };
      const { payload } = await verify(token, key, options);
      return payload;
    } catch (cause) {
      throw nameFailure(cause);
    }
  };
}

function verify(token: string, key: Key | KeySet, options: JWTVerifyOptions) {
  return typeof key === "function"
    ? jwtVerify(token, key, options)
    : jwtVerify(token, key, options);
}

function nameFailure(cause: unknown): FailureError {
  if (cause instanceof FailureError) return cause;
  if (cause instanceof errors.JWTExpired) {
    return new FailureError("AUTH_EXPIRED", undefined, { cause });
  }
  // Only the error's code is used: jose's messages may quote what the client sent.
  const why = cause instanceof errors.JOSEError ? cause.code : undefined;
  return new FailureError("AUTH_INVALID", why, { cause });
}

interface KeySource {
  readonly key: Key | KeySet;
  readonly fitting: readonly string[];
}

function readKey(settings: Settings["auth"], needs: KeySetNeeds): KeySource {
  const { secret, publicKey, jwksUrl } = settings;
  const given = [secret, publicKey, jwksUrl].filter((source) => source !== "");
  if (given.length !== 1) {
    const which = "exactly one of auth.secret, auth.publicKey and auth.jwksUrl";
    refuseSetting("auth.mode", '"jwt"', `needs ${which}; ${given.length} are set`);
  }
  if (jwksUrl !== "") return { key: readKeySet(settings, needs), fitting: PUBLIC };
  if (publicKey !== "") return readPublicKey(publicKey);
  // With a public key as shared secret, anyone who has it could sign tokens.
  if (secret.includes("-----BEGIN")) {
    refuseSetting("auth.secret", "(secret)", "is a PEM: a public key belongs into auth.publicKey");
  }
  const bytes = new TextEncoder().encode(secret);
  if (bytes.length < SECRET_BYTES_MIN) {
    refuseSetting("auth.secret", "(secret)", `must have at least ${SECRET_BYTES_MIN} bytes`);
  }
  return { key: bytes, fitting: SHARED };
}

function readPublicKey(given: string): KeySource {
  const inline = given.includes("-----BEGIN");
  const value = showValue(given);
  const pem = inline ? given : String(readSettingFile(["auth.publicKey", given]));
  const key = readPem(pem, value);
  const kind = key.asymmetricKeyType;
  const curve = CURVES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (kind === "rsa") return { key, fitting: RSA };
  if (kind === "ed25519") return { key, fitting: ["EdDSA", "Ed25519"] };
  if (kind === "ec" && curve !== undefined) return { key, fitting: [curve] };
  const bound = `must be RSA, Ed25519, or EC P-256, P-384, P-521, and is ${kind}`;
  return refuseSetting("auth.publicKey", value, bound);
}

function readPem(pem: string, value: string): KeyObject {
  if (pem.includes("PRIVATE KEY")) refuseSetting("auth.publicKey", value, "is a private key");
  try {
    return createPublicKey(pem);
  } catch {
    return refuseSetting("auth.publicKey", value, "holds no public key or certificate in PEM");
  }
}

function readKeySet(settings: Settings["auth"], needs: KeySetNeeds): KeySet {
  const url = URL.canParse(settings.jwksUrl) ? new URL(settings.jwksUrl) : undefined;
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url?.hostname ?? "");
  if (url?.protocol !== "https:" && !(url?.protocol === "http:" && loopback)) {
    const value = showValue(settings.jwksUrl);
    return refuseSetting("auth.jwksUrl", value, "must be a URL with https, or http on loopback");
  }
  return createKeySet(url, settings, needs);
}

function readAlgorithms(asked: readonly string[], fitting: readonly string[]): string[] {
  const odd = asked.filter((name) => !fitting.includes(name));
  if (odd.length > 0) {
    refuseSetting(
      "auth.algorithms",
      JSON.stringify(odd.join(",")),
      `must be among ${fitting.join(", ")} for this key`,
    );
  }
  return asked.length > 0 ? [...asked] : [...fitting];
}

function refuseSetting(path: string, value: string, bound: string): never {
  throw new SettingsError([{ path, value, bound }]);
}
