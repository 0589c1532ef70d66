import { createHash } from "node:crypto";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import type { Claims, TokenCheck } from "./tokens.ts";

type AuthSettings = Settings["auth"];

/** The tokens found in a request, as sent. */
export interface RequestTokens {
  readonly header?: string | undefined;
  readonly query?: string | undefined;
}

/** The parts of a request that may carry a token. */
export interface TokenRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly _query: Readonly<Record<string, string>>;
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
export function createGrants(settings: AuthSettings, check: TokenCheck) {
  const allows = createRoomFilter(settings.roomsAllowed);

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

  return {
    grant,
    roomsOf,
    read: (source: TokenSource) => readToken(settings, source),
    readRequest: (request: TokenRequest) => readRequest(settings, request),
  };
}

function readRequest(settings: AuthSettings, { headers, _query }: TokenRequest): RequestTokens {
  const { tokenFrom, tokenHeader, tokenName } = settings;
  return {
    header: tokenFrom.includes("header") ? headers[tokenHeader.toLowerCase()] : undefined,
    query: tokenFrom.includes("query") ? _query[tokenName] : undefined,
  };
}

type TokenSource = RequestTokens & { readonly auth: Readonly<Record<string, unknown>> };

/** Returns the token from the first place of `tokenFrom` that has one, or undefined. */
function readToken(settings: AuthSettings, source: TokenSource): unknown {
  for (const place of settings.tokenFrom) {
    if (place === "auth") {
      const { auth } = source;
      if (Object.hasOwn(auth, settings.tokenName)) return auth[settings.tokenName];
    } else {
      const found = source[place];
      if (found) return place === "header" ? found.replace(/^Bearer +/i, "") : found;
    }
  }
  return undefined;
}

/**
 * Returns the test of a room's name against patterns in which `*` matches any characters. It takes
 * time linear in the name's length, because the client sends the name.
 */
export function createRoomFilter(patterns: readonly string[]): (room: string) => boolean {
  const split = patterns.map((pattern) => pattern.split("*"));
  return (room) => split.some((parts) => matches(room, parts));
}

function matches(room: string, parts: readonly string[]): boolean {
  const [head = "", ...rest] = parts;
  const tail = rest.pop();
  if (tail === undefined) return room === head;
  if (!room.startsWith(head) || !room.endsWith(tail)) return false;
  const end = room.length - tail.length;
  let at = head.length;
  for (const part of rest) {
    const found = room.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}
