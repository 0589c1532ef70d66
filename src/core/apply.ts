import type { Command, CommandCaller, CommandResult } from "./command.ts";
import type { TraceContext } from "./trace.ts";

/**
 * Executes commands in order. Resolves with one result each, in the same order; never rejects.
 * `parent` is what caused them, for traces.
 */
export type Apply = (
  commands: readonly Command[],
  caller: CommandCaller,
  parent?: TraceContext,
) => Promise<CommandResult[]>;
