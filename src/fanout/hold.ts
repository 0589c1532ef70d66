import type { Command, EmitWithAckCommand, FetchCommand } from "../core/command.ts";

/** Commands that are over as soon as they are given: none of them is about an answer. */
export type TellCommand = Exclude<Command, EmitWithAckCommand | FetchCommand>;

/** Commands for one socket that is not connected yet. */
export interface Held {
  /**
   * The socket is connected: carries out what was kept for it, in its order, before this returns.
   */
  release(): void;
  /** It will never be: forgets what was kept. */
  drop(): void;
}

/** Keeps commands for sockets that are still being let in. */
export interface Holds {
  /** Of a session that is recovered no emits are kept: its recovery brings what it missed. */
  begin(namespace: string, socketId: string, recovered?: boolean): Held;
  /**
   * Keeps a command for every socket it names that is being let in. Returns false when one of them
   * has `max` already; then it is kept for none.
   */
  keep(namespace: string, command: TellCommand): boolean;
}

/** Returns an empty keeper; `carryOut` is called on release. */
export function createHolds(max: number, carryOut: (command: TellCommand) => void): Holds {
  // A function may address a socket from inside its own connect hook; the socket is in no room
  // then.
  const held = new Map<string, { readonly kept: TellCommand[]; readonly recovered: boolean }>();
  const keyOf = (namespace: string, id: string) => `${namespace},${id}`; // no namespace has a comma

  return {
    begin(namespace, socketId, recovered = false) {
      const key = keyOf(namespace, socketId);
      const kept: TellCommand[] = [];
      held.set(key, { kept, recovered });
      return {
        release() {
          held.delete(key);
          for (const command of kept.splice(0)) carryOut(command);
        },
        drop() {
          held.delete(key);
          kept.length = 0;
        },
      };
    },
    keep(namespace, command) {
      if (held.size === 0) return true;
      const ids = ("to" in command ? command.to : "in" in command ? command.in : undefined) ?? [];
      const queues = [...new Set(ids)].flatMap((id) => {
        const { kept, recovered } = held.get(keyOf(namespace, id)) ?? {};
        return kept && !(recovered && command.do === "emit") ? [{ id, kept }] : [];
      });
      if (queues.some(({ kept }) => kept.length >= max)) return false;
      for (const { id, kept } of queues) kept.push(narrow(command, id));
      return true;
    },
  };
}

// The same command for one socket alone: everyone else it names has been served already.
function narrow(command: TellCommand, id: string): TellCommand {
  if (command.do === "serverSideEmit") return command; // names no socket, so it never gets here
  return command.do === "emit" ? { ...command, to: [id] } : { ...command, in: [id] };
}
