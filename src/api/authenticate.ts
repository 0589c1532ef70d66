import type { Exchange } from "../core/http.ts";
import { createGrant, createKeyring, type Grant } from "./keys.ts";

/** Why a request is not allowed. */
export type Denied = "API_NO_KEY" | "API_UNAUTHENTICATED" | "API_FORBIDDEN";

/** Returns what a request may do. Checking a token is asynchronous. Never throws or rejects. */
export type Authenticate = (exchange: Exchange) => Grant | Denied | Promise<Grant | Denied>;

/** Checks a JSON Web Token: resolves with its claims, or rejects. */
export type CheckToken = (token: string) => Promise<Readonly<Record<string, unknown>>>;

/** How many checked tokens are remembered. */
const REMEMBERED_MAX = 1000;
/** How long at most a checked token is remembered: its signing key may be withdrawn. */
const REMEMBERED_MS = 30_000;

/**
 * Returns a check of `Authorization: Bearer`, which holds an API key or a token.
 *
 * The claim `sluice` of a token says what is granted, such as
 * `{ "commands": ["emit"], "namespaces": ["/chat*"] }`. A list that is left out grants all. A valid
 * token is still denied if it has no such claim or no expiry (`exp`).
 */
export function createAuthenticate(
  settings: { readonly keys: readonly string[] },
  needs: { readonly checkToken?: CheckToken | undefined; now(): number },
): Authenticate {
  const findKey = createKeyring(settings.keys);
  const { checkToken, now } = needs;
  const isOpen = settings.keys.length > 0 || checkToken !== undefined;
  const remembered = new Map<string, { readonly grant: Grant; readonly until: number }>();

  function remember(token: string, grant: Grant, claims: Claims): void {
    const expires = Number(claims.exp) * 1000;
    if (remembered.size >= REMEMBERED_MAX) {
      for (const oldest of remembered.keys()) {
        remembered.delete(oldest);
        break;
      }
    }
    remembered.set(token, { grant, until: Math.min(expires, now() + REMEMBERED_MS) });
  }

  async function check(token: string, verify: CheckToken): Promise<Grant | Denied> {
    let claims: Claims;
    try {
      claims = await verify(token);
    } catch {
      return "API_UNAUTHENTICATED";
    }
    const grant = typeof claims.exp === "number" ? readGrant(claims) : undefined;
    if (!grant) return "API_FORBIDDEN";
    remember(token, grant, claims);
    return grant;
  }

  return ({ headers }) => {
    if (!isOpen) return "API_NO_KEY";
    const [, presented] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? "") ?? [];
    if (presented === undefined) return "API_UNAUTHENTICATED";
    const grant = findKey(presented);
    if (grant) return grant;
    // A token has three parts. Anything else is a wrong key: do not spend a signature check on it.
    if (!checkToken || presented.split(".").length !== 3) return "API_UNAUTHENTICATED";
    const known = remembered.get(presented);
    if (known && known.until > now()) return known.grant;
    remembered.delete(presented);
    return check(presented, checkToken);
  };
}

type Claims = Readonly<Record<string, unknown>>;

function readGrant(claims: Claims): Grant | undefined {
  const scope = claims.sluice;
  if (typeof scope !== "object" || scope === null) return undefined;
  const { commands = ["*"], namespaces = ["*"] } = scope as Claims; // any object can be read so
  if (!isTexts(commands) || !isTexts(namespaces)) return undefined;
  // The id includes the scope, so that an answer kept for one token (Idempotency-Key) is never
  // given to another token of the same subject that may do less.
  const id = `jwt:${JSON.stringify([claims.sub, commands, namespaces])}`;
  try {
    return createGrant(id, commands, namespaces);
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
