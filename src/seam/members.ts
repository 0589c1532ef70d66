import type { EventEmitter } from "node:events";
import { messageOf } from "../core/failures.ts";
import { readSocketIoRange, readSocketIoVersion } from "../core/version.ts";

/** An object of a library, and the members of it that Sluice uses. */
export interface Part {
  /** The name of its class in the library. */
  readonly name: string;
  /** An instance, or a prototype where the members are methods. */
  readonly object: object;
  readonly members: readonly string[];
}

/** The names of an interface's members, without optional ones and those of `EventEmitter`. */
type MemberOf<Inside> = Exclude<
  { [Name in keyof Inside]-?: undefined extends Inside[Name] ? never : Name }[keyof Inside],
  keyof EventEmitter
>;

/**
 * Returns the names of all members that `Inside` declares. The compiler refuses a list that lacks
 * one, so what a type opens is also checked at start.
 */
export function listMembers<Inside>(
  names: Readonly<Record<MemberOf<Inside> & string, 1>>,
): readonly string[] {
  return Object.keys(names);
}

/**
 * Throws an Error of one sentence if the installed version of a library lacks a member: it names
 * the library, its version and each such member.
 *
 * `listParts` may fail, because it creates instances of the library's classes to find their fields.
 * Then the sentence says why, unless a member was missing by then.
 */
export function checkLibrary(name: string, listParts: () => Iterable<Part>): void {
  const missing = new Set<string>();
  const refuse = (what: string, cause?: unknown): never => {
    const text = `${name} ${readSocketIoVersion(name)} ${what}`;
    throw new Error(`${text}; Sluice works with socket.io ${readSocketIoRange()}`, { cause });
  };
  try {
    for (const { name: owner, object, members } of listParts()) {
      for (const member of members) if (!(member in object)) missing.add(`${owner}.${member}`);
    }
  } catch (cause) {
    if (missing.size === 0) refuse(`cannot be checked: ${messageOf(cause)}`, cause);
  }
  if (missing.size > 0) refuse(`lacks ${[...missing].join(", ")}`);
}
