import * as z from "zod/mini";
import { field, integer, ms, secret, text } from "./field.ts";

/** `id:secret`, then optionally its commands and namespaces, with `+` between names. */
export const API_KEY =
  /^[\w.-]{1,64}:[^\s:,]{16,512}(?::(?:\*|[A-Za-z]+(?:\+[A-Za-z]+)*)(?::[^\s,]{1,1024})?)?$/;

const API_KEY_BOUND =
  "must be id:secret, or id:secret:commands:namespaces, with 16 to 512 characters of secret";

/** The section `api`; its sentence is in `SETTINGS`. */
export const api = z.strictObject({
  port: integer(
    0,
    0,
    65_535,
    "Separate port for metrics, health and commands; 0 serves them on socket.port.",
  ),
  host: text("0.0.0.0", "Address the API port listens on."),
  keys: field(
    z.array(z.string().check(z.regex(API_KEY, API_KEY_BOUND))).check(z.maxLength(100)),
    [],
    "API keys: `id:secret`, or `id:secret:commands:namespaces` with `+` between names. `*` means all; at the end of a namespace it matches any characters. `deadLetters` and `console` are rights like commands. Callers send the secret alone.",
    { secret: true },
  ),
  jwtSecret: secret("Shared secret of HS256/384/512 tokens for the API, at least 32 bytes."),
  jwtPublicKey: text("", "Public key in PEM of tokens for the API, or the path of a file with it."),
  jwtJwksUrl: text("", "URL of a JSON Web Key Set for the API: https, or http on loopback."),
  jwtIssuer: text("", "`iss` that tokens for the API must have; empty accepts any."),
  jwtAudience: field(
    z.string().check(z.minLength(1), z.maxLength(1024)),
    "sluice-api",
    "`aud` that tokens for the API must have, so that tokens of clients are not accepted.",
  ),
  bodyBytesMax: integer(
    1_048_576,
    1024,
    104_857_600,
    "Size of a request body in bytes, after decompression; for NDJSON, of one line.",
  ),
  bodyMs: ms(
    5000,
    100,
    60_000,
    "How long a body may take to arrive, and how long a stream may stand still in either direction.",
  ),
  bodiesMax: integer(256, 1, 100_000, "Request bodies and streams that may be open at once."),
  bodiesBytesMax: integer(
    67_108_864,
    65_536,
    17_179_869_184,
    "Bytes of all request bodies that are arriving; as many again while keys and tokens are checked.",
  ),
  idempotencyMs: ms(
    600_000,
    1000,
    86_400_000,
    "How long a repeated Idempotency-Key gets the first answer.",
  ),
  idempotencyBytesMax: integer(
    67_108_864,
    65_536,
    17_179_869_184,
    "Bytes of answers that are kept for Idempotency-Keys; above, new keys are refused.",
  ),
});
