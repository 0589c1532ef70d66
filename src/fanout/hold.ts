import type { DelayableCommand } from "../core/command.ts";

/** Commands that need no answer from sockets. */
export type TellCommand = DelayableCommand;

/** The commands held for one socket that is not connected yet. */
export interface Held {
  /** Call when the socket is connected. Carries out the held commands, in order, synchronously. */
  release(): void;
  /** Call when the socket will not be connected. Drops the held commands. */
  drop(): void;
}

/** Returns an object that holds nothing yet. `release` passes each held command to `carryOut`. */
export function createHolds(max: number, carryOut: (command: TellCommand) => void) {
  // A function may address a socket while it answers that socket's connect. The socket is in no
  // room then, so the command would not reach it.
  const held = new Map<string, { readonly commands: TellCommand[]; readonly recovered: boolean }>();
  const keyOf = (namespace: string, id: string) => `${namespace},${id}`; // no namespace has a comma

  return {
    /** Starts to hold. With `recovered`, emits are not held: recovery sends what was missed. */
    begin(namespace: string, socketId: string, recovered = false): Held {
      const key = keyOf(namespace, socketId);
      const commands: TellCommand[] = [];
      held.set(key, { commands, recovered });
      return {
        release() {
          held.delete(key);
          for (const command of commands.splice(0)) carryOut(command);
        },
        drop() {
          held.delete(key);
          commands.length = 0;
        },
      };
    },
    /**
     * Holds a command for each connecting socket that it addresses. Returns false if one of them
     * has `max` held commands already; then it is held for none.
     */
    keep(namespace: string, command: TellCommand): boolean {
      if (held.size === 0) return true;
      const ids = ("to" in command ? command.to : "in" in command ? command.in : undefined) ?? [];
      const queues = [...new Set(ids)].flatMap((id) => {
        const { commands, recovered } = held.get(keyOf(namespace, id)) ?? {};
        return commands && !(recovered && command.do === "emit") ? [{ id, commands }] : [];
      });
      if (queues.some(({ commands }) => commands.length >= max)) return false;
      for (const { id, commands } of queues) commands.push(narrow(command, id));
      return true;
    },
  };
}

// Returns the command for one socket alone. The others that it addresses are served without delay.
function narrow(command: TellCommand, id: string): TellCommand {
  // It addresses no socket, so it is never held.
  if (command.do === "serverSideEmit") return command;
  return command.do === "emit" ? { ...command, to: [id] } : { ...command, in: [id] };
}
