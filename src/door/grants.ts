import { createHash } from "node:crypto";
import { type FailureCode, FailureError } from "../core/failures.ts";
import { createGlobs } from "../core/glob.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { Claims, TokenCheck } from "./tokens.ts";

/** A connection whose request may carry a token in its query or in a header. */
export interface TokenConnection {
  readonly request: {
    url: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly _query: Record<string, string>;
  };
}

/** The tokens found in a request, as sent. */
export interface RequestTokens {
  readonly header?: string | undefined;
  readonly query?: string | undefined;
}

/** What a valid token grants. */
export interface Grant {
  readonly claims: Claims;
  readonly userId: string;
  /** Digest of the user id: identifies the user without revealing the id. */
  readonly owner: string;
  readonly rooms: ReadonlySet<string>;
  /** When the token expires, in milliseconds; undefined if never. */
  readonly expiresAt: number | undefined;
}

/** Why a token was refused. `detail` is for the log and never holds the token. */
export interface Refused {
  readonly code: FailureCode;
  readonly detail: string | undefined;
}

/** Whether the check of a token refused it. */
export const isRefused = (found: Grant | Refused): found is Refused => "code" in found;

/** Rooms of one token's claim that are read at most. */
const CLAIMED_ROOMS_MAX = 1000;

/**
 * Returns the functions that find a client's token and what it grants. `grant` never rejects: it
 * resolves with what is wrong with the token.
 */
export function createGrants(settings: Settings["auth"], check: TokenCheck) {
  const allows = createGlobs(settings.roomsAllowed);

  function roomsOf(claims: Readonly<Record<string, unknown>> | undefined): ReadonlySet<string> {
    const claimed = claims?.[settings.roomsClaim];
    const list: unknown[] = Array.isArray(claimed) ? claimed.slice(0, CLAIMED_ROOMS_MAX) : [];
    // The cast is safe: the filter keeps only strings.
    return new Set(list.filter((room) => typeof room === "string" && allows(room)) as string[]);
  }

  async function grant(token: unknown): Promise<Grant | Refused> {
    if (token === undefined || token === "") return { code: "AUTH_REQUIRED", detail: undefined };
    if (typeof token !== "string") return { code: "AUTH_INVALID", detail: "not a text" };
    if (token.length > settings.tokenBytesMax) return { code: "AUTH_TOO_LONG", detail: undefined };
    try {
      const claims = await check(token);
      const user = claims[settings.userClaim];
      if (user === "" || (typeof user !== "string" && typeof user !== "number")) {
        return { code: "AUTH_INVALID", detail: "no user" };
      }
      const userId = String(user);
      const owner = createHash("sha256").update(userId).digest("base64url").slice(0, 16);
      const expiresAt = claims.exp === undefined ? undefined : claims.exp * 1000;
      return { claims, userId, owner, rooms: roomsOf(claims), expiresAt };
    } catch (error) {
      if (error instanceof FailureError) return { code: error.code, detail: error.detail };
      return { code: "AUTH_UNAVAILABLE", detail: "unexpected" };
    }
  }

  const { tokenFrom, tokenHeader, tokenName } = settings;
  return {
    grant,
    roomsOf,
    /** Returns the token from the first place of `tokenFrom` that has one, or undefined. */
    read(auth: Readonly<Record<string, unknown>>, tokens: RequestTokens = {}): unknown {
      for (const place of tokenFrom) {
        if (place === "auth") {
          if (Object.hasOwn(auth, tokenName)) return auth[tokenName];
        } else {
          const found = tokens[place];
          if (found) return place === "header" ? found.replace(/^Bearer +/i, "") : found;
        }
      }
      return undefined;
    },
    readRequest({ headers, _query }: TokenConnection["request"]): RequestTokens {
      return {
        header: tokenFrom.includes("header") ? headers[tokenHeader.toLowerCase()] : undefined,
        query: tokenFrom.includes("query") ? _query[tokenName] : undefined,
      };
    },
  };
}
