import { timingSafeEqual } from "node:crypto";
import type { Command, CommandName } from "../core/command.ts";
import { COMMAND_NAMES } from "../core/commands.ts";
import { FailureError } from "../core/failures.ts";
import { createGlobs } from "../core/glob.ts";
import type { Exchange } from "../core/http.ts";
import { SettingsError } from "../core/settings.ts";

/** What a grant can allow: a command, access to the dead letters, or the console. */
type Permission = CommandName | "deadLetters" | "console";

const PERMISSIONS: readonly Permission[] = [...COMMAND_NAMES, "deadLetters", "console"];

/** What the bearer of a key or a token may do. */
export interface Grant {
  /** Identifies the caller, to keep the Idempotency-Keys of callers apart. Never the secret. */
  readonly id: string;
  allows(permission: Permission, namespace: string): boolean;
  /** Whether its token has expired. What takes long, such as a stream, has to ask again. */
  isOver(): boolean;
}

/** Throws API_FORBIDDEN for the first command that is not granted. */
export function checkGranted(grant: Grant, commands: readonly Command[]): void {
  commands.forEach(({ do: name, namespace = "/" }, index) => {
    if (grant.allows(name, namespace)) return;
    throw new FailureError("API_FORBIDDEN", `command ${index}: ${name} in ${namespace}`);
  });
}

/**
 * Returns a function that finds the grant of a secret.
 *
 * A key is written `id:secret`, `id:secret:commands` or `id:secret:commands:namespaces`. `+`
 * separates names. `*` means any command or any namespace; at the end of a namespace it means any
 * characters.
 *
 * Each lookup compares the secret with every key in constant time, so its duration does not tell
 * which key fits, or whether one does. Throws {@link SettingsError} for two keys with one id, for
 * commands that do not exist and for namespaces that cannot exist.
 */
export function createKeyring(keys: readonly string[]): (presented: string) => Grant | undefined {
  const entries = keys.map((key) => {
    const [id = "", secret = "", commands = "*", ...namespaces] = key.split(":");
    const scope = { commands: commands.split("+"), namespaces: namespaces.join(":") || "*" };
    return {
      block: writeBlock(Buffer.alloc(BLOCK_BYTES), secret),
      grant: createGrant(id, scope.commands, scope.namespaces.split("+")),
    };
  });
  const ids = new Set(entries.map(({ grant }) => grant.id));
  if (ids.size < keys.length) wrong("every key needs an id of its own");
  const asked = Buffer.alloc(BLOCK_BYTES);
  return (presented) => {
    writeBlock(asked, presented);
    let found: Grant | undefined;
    for (const { block, grant } of entries) if (timingSafeEqual(asked, block)) found = grant;
    asked.fill(0);
    return found;
  };
}

/** Whether one of the keys, written as for {@link createKeyring}, has the right to a permission. */
export function isAllowedBy(keys: readonly string[], permission: Permission): boolean {
  return keys.some((key) => {
    const [, , commands = "*"] = key.split(":");
    return commands.split("+").some((name) => name === "*" || name === permission);
  });
}

/** The longest secret has 512 characters of at most three bytes each; two bytes hold its length. */
const BLOCK_BYTES = 2 + 3 * 512;

// All blocks are equally long, so the comparison does not tell the length of a secret. Comparing
// hashes would do the same, but the hash objects outlive the young generation: a third of a
// request's time went into collecting them.
function writeBlock(block: Buffer, text: string): Buffer {
  block.fill(0);
  block.write(text, 2, "utf8");
  block.writeUInt16BE(Math.min(text.length, 0xffff), 0);
  return block;
}

/**
 * Returns a grant of some commands in some namespaces. Throws {@link SettingsError} for commands
 * that do not exist and for namespaces that cannot exist. Otherwise a typing mistake would silently
 * make a key that may do less.
 */
export function createGrant(
  id: string,
  commands: readonly string[],
  namespaces: readonly string[],
): Grant {
  const names: readonly string[] = PERMISSIONS;
  const odd = commands.filter((name) => name !== "*" && !names.includes(name));
  if (odd.length > 0) wrong(`${odd.join(", ")}: there are ${names.join(", ")}`);
  if (!namespaces.every((pattern) => /^(\*|\/[^*]*\*?)$/.test(pattern))) {
    wrong(`${id}: namespaces begin with /, and * stands alone or at the end`);
  }
  const any = commands.includes("*");
  const isIncluded = createGlobs(namespaces);
  return {
    id,
    allows: (permission, namespace) =>
      (any || commands.includes(permission)) && isIncluded(namespace),
    isOver: () => false,
  };
}

function wrong(bound: string): never {
  throw new SettingsError([{ path: "api.keys", value: "(secret)", bound }]);
}

/** Why a request is not allowed. */
type Denied = "API_NO_KEY" | "API_UNAUTHENTICATED" | "API_FORBIDDEN";

/** Returns what a request may do. Checking a token is asynchronous. Never throws or rejects. */
export type Authenticate = (exchange: Exchange) => Grant | Denied | Promise<Grant | Denied>;

/** Checks a JSON Web Token: resolves with its claims, or rejects. */
export type CheckToken = (token: string) => Promise<Readonly<Record<string, unknown>>>;

/** How many checked tokens are remembered. */
const REMEMBERED_MAX = 1000;
/** How long at most a checked token is remembered: its signing key may be withdrawn. */
const REMEMBERED_MS = 30_000;
/** How long a grant outlives its token: clocks differ, so it may have expired when checked. */
const OUTLIVES_MS = 5_000;

/**
 * Returns a check of `Authorization: Bearer`, which holds an API key or a token.
 *
 * The claim `sluice` of a token says what is granted, such as
 * `{ "commands": ["emit"], "namespaces": ["/chat*"] }`. A list that is left out grants all. A valid
 * token is still denied if it has no such claim or no expiry (`exp`).
 */
export function createAuthenticate(
  keys: readonly string[],
  checkToken: CheckToken | undefined,
  now: () => number,
): Authenticate {
  const findKey = createKeyring(keys);
  const isOpen = keys.length > 0 || checkToken !== undefined;
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
    const { exp } = claims;
    const allowed = typeof exp === "number" ? readGrant(claims) : undefined;
    if (!allowed) return "API_FORBIDDEN";
    const until = Math.max(Number(exp) * 1000, now()) + OUTLIVES_MS;
    const grant = { ...allowed, isOver: () => now() >= until };
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
  // The id includes the scope, so that a response kept for one token (Idempotency-Key) is never
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
