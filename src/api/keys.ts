import { timingSafeEqual } from "node:crypto";
import type { Command, CommandName } from "../core/command.ts";
import { COMMAND_NAMES } from "../core/commands.ts";
import { SettingsError } from "../core/settings.ts";

/** What a grant can be for: a command, or the calls to functions that were given up. */
export type Permission = CommandName | "deadLetters";

const PERMISSIONS: readonly Permission[] = [...COMMAND_NAMES, "deadLetters"];

/** What the bearer of a key or a token may do. */
export interface Grant {
  /** Keeps callers' Idempotency-Keys apart; never the secret. */
  readonly id: string;
  allows(permission: Permission, namespace: string): boolean;
}

/** Returns whether every part of a command is granted. */
export function isGranted(grant: Grant, command: Command): boolean {
  return grant.allows(command.do, command.namespace ?? "/");
}

/** Looks a presented secret up; costs the same whichever key it is, or none. */
export type FindKey = (presented: string) => Grant | undefined;

/**
 * Returns the lookup of API keys, written `id:secret`, `id:secret:commands` or
 * `id:secret:commands:namespaces`; `+` stands between names and `*` for any, in a namespace for any
 * characters at its end.
 *
 * Every key is compared with every request in constant time: blocks of equal length, no early end.
 * Throws {@link SettingsError} for two keys of one id and for commands that do not exist.
 */
export function createKeyring(keys: readonly string[]): FindKey {
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

/** The longest secret has 512 characters, each at most three bytes; two more hold its length. */
const BLOCK_BYTES = 2 + 3 * 512;

// All blocks have one length, so the comparison does not tell how long a secret is either. A hash
// would do the same, but its handle outlives the young generation: a third of a request's time went
// into collecting them.
function writeBlock(block: Buffer, text: string): Buffer {
  block.fill(0);
  block.write(text, 2, "utf8");
  block.writeUInt16BE(Math.min(text.length, 0xffff), 0);
  return block;
}

/**
 * Returns a grant of some commands in some namespaces. Throws {@link SettingsError} for commands
 * that do not exist and namespaces that cannot: a typing mistake must not become a key that
 * silently can do less.
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
  const exact = new Set(namespaces.filter((pattern) => !pattern.endsWith("*")));
  const starts = namespaces.filter((p) => p.endsWith("*")).map((pattern) => pattern.slice(0, -1));
  return {
    id,
    allows: (permission, namespace) =>
      (any || commands.includes(permission)) &&
      (exact.has(namespace) || starts.some((start) => namespace.startsWith(start))),
  };
}

function wrong(bound: string): never {
  throw new SettingsError([{ path: "api.keys", value: "(secret)", bound }]);
}
