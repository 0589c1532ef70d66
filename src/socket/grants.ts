import { createHash } from "node:crypto";
import { type FailureCode, FailureError } from "../core/failures.ts";
import type { Settings } from "../core/settings.ts";
import type { Claims, TokenCheck } from "./tokens.ts";

type AuthSettings = Settings["auth"];

/** The tokens of a request, from where they are looked for. */
export interface CarriedTokens {
  readonly header?: string | undefined;
  readonly query?: string | undefined;
}

/** What of a request may carry a token. */
export interface AskingRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly _query: Readonly<Record<string, string>>;
}

/** Where a client may put its token. */
export interface TokenSource extends CarriedTokens {
  readonly auth: Readonly<Record<string, unknown>>;
}

/** What a valid token says. */
export interface Grant {
  readonly claims: Claims;
  readonly userId: string;
  /** Names the user without telling who it is. */
  readonly owner: string;
  readonly rooms: ReadonlySet<string>;
  /** When the token expires, in milliseconds; undefined if never. */
  readonly expiresAt: number | undefined;
}

/** A token that was refused: `detail` is for the log, never the token itself. */
export interface Refused {
  readonly code: FailureCode;
  readonly detail: string | undefined;
}

/** Tells what was found from why nothing was. */
export const isRefused = (found: Grant | Refused): found is Refused => "code" in found;

/** Most rooms of one token's claim that are looked at. */
const CLAIMED_ROOMS_MAX = 1000;

/**
 * Returns the function from a client's words to what its token grants. It never rejects: whatever
 * is wrong with a token is an answer.
 */
export function createGrants(settings: AuthSettings, check: TokenCheck) {
  const allows = createRoomFilter(settings.roomsAllowed);

  function roomsOf(claims: Readonly<Record<string, unknown>> | undefined): ReadonlySet<string> {
    const claimed = claims?.[settings.roomsClaim];
    const list: unknown[] = Array.isArray(claimed) ? claimed.slice(0, CLAIMED_ROOMS_MAX) : [];
    // Just filtered.
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
    readRequest: (request: AskingRequest) => readRequest(settings, request),
  };
}

function readRequest(settings: AuthSettings, { headers, _query }: AskingRequest): CarriedTokens {
  const { tokenFrom, tokenHeader, tokenName } = settings;
  return {
    header: tokenFrom.includes("header") ? headers[tokenHeader.toLowerCase()] : undefined,
    query: tokenFrom.includes("query") ? _query[tokenName] : undefined,
  };
}

/** Returns the first token found where `tokenFrom` looks, or undefined. */
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
 * Returns the test of a room's name against patterns in which `*` stands for any characters; every
 * other character stands for itself. Linear in the name: the claim is a client's text.
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
