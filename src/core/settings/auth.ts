import * as z from "zod/mini";
import { choice, field, integer, list, ms, secret, text } from "./field.ts";

/** The section `auth`; its sentence is in `SETTINGS`. */
export const auth = z.strictObject({
  mode: choice(
    ["none", "jwt", "upstream"],
    "none",
    "How clients are authenticated: not at all, by a JSON Web Token, or by the connect call to a function.",
  ),
  secret: secret("Shared secret of HS256/384/512 tokens, at least 32 bytes."),
  publicKey: text("", "Public key (or certificate) in PEM, or the path of a file with it."),
  jwksUrl: text("", "URL of a JSON Web Key Set: https, or http on loopback."),
  algorithms: list(
    [],
    "Accepted signature algorithms; empty accepts those that fit the kind of key, never `none`.",
  ),
  issuer: list([], "Accepted `iss` values; empty accepts any."),
  audience: list([], "Accepted `aud` values; empty accepts any."),
  clockToleranceMs: ms(5000, 0, 300_000, "Clock difference tolerated in `exp` and `nbf`."),
  tokenFrom: field(
    z.array(z.enum(["auth", "header", "query"])).check(z.minLength(1), z.maxLength(3)),
    ["auth"],
    "Where the token is read from, in this order: the auth of CONNECT, a header, the query.",
  ),
  tokenName: text("token", "Key of the token in CONNECT's auth object and in the query."),
  tokenHeader: text("authorization", "Header of the token; a `Bearer ` prefix is removed."),
  tokenBytesMax: integer(8192, 256, 65_536, "Longest token that is accepted, in bytes."),
  userClaim: text("sub", "Claim that names the user; a token without it is refused."),
  roomsClaim: text("rooms", "Claim with the rooms to join on connecting, a list of strings."),
  roomsAllowed: list(
    [],
    "Patterns of the rooms that auth.roomsClaim may grant; `*` matches any characters. Empty grants none.",
  ),
  expiryWarningMs: ms(
    60_000,
    0,
    3_600_000,
    "How long before its token expires a client gets `token_expiring`; 0 sends none.",
  ),
  jwksCacheMs: ms(600_000, 1000, 86_400_000, "Age at which the key set is fetched again."),
  jwksStaleMs: ms(
    3_600_000,
    0,
    86_400_000,
    "How long after auth.jwksCacheMs an old key set is still used, if fetching a new one fails.",
  ),
  jwksCooldownMs: ms(
    30_000,
    100,
    3_600_000,
    "Minimum time between two fetches of the key set, even if tokens name unknown keys.",
  ),
  jwksTimeoutMs: ms(5000, 100, 60_000, "How long a fetch of the key set may take."),
  jwksBytesMax: integer(262_144, 1024, 16_777_216, "Largest key set that is read, in bytes."),
});
