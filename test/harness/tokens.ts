import { SignJWT } from "jose";

/** The shared secret of tests' tokens. */
export const TOKEN_SECRET = "a secret of the tests, 32 bytes or more";

/** Settings with which {@link signToken}'s tokens are valid. */
export const JWT = { mode: "jwt", secret: TOKEN_SECRET, clockToleranceMs: 0 } as const;

/** Returns a token; `exp` in seconds since 1970, as tokens have it. */
export function signToken(claims: Record<string, unknown>, secret = TOKEN_SECRET): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

/** Returns now in whole seconds since 1970. */
export const nowS = () => Math.floor(Date.now() / 1000);
