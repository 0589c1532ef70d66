import { timingSafeEqual } from "node:crypto";
import type { Command, CommandName } from "../core/command.ts";
import { COMMAND_NAMES } from "../core/commands.ts";
import { FailureError } from "../core/failures.ts";
import { createGlobs } from "../core/glob.ts";
import { SettingsError } from "../core/settings.ts";

/** What a grant can allow: a command, or access to the dead letters. */
export type Permission = CommandName | "deadLetters";

const PERMISSIONS: readonly Permission[] = [...COMMAND_NAMES, "deadLetters"];

/** What the bearer of a key or a token may do. */
export interface Grant {
  /** Identifies the caller, to keep the Idempotency-Keys of callers apart. Never the secret. */
  readonly id: string;
  allows(permission: Permission, namespace: string): boolean;
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
  };
}

function wrong(bound: string): never {
  throw new SettingsError([{ path: "api.keys", value: "(secret)", bound }]);
}
