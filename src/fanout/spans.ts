import type { Command, CommandCaller, CommandResult } from "../core/command.ts";
import { contextOf, type Span, type TraceContext, type Tracer } from "../core/trace.ts";

/** The commands that a span is for, and what caused them. */
export interface TracedCommands {
  readonly commands: readonly Command[];
  readonly caller: CommandCaller;
  readonly parent: TraceContext | undefined;
}

/** The spans of one list of commands. */
export interface CommandSpans {
  /** What each of them belongs to. */
  readonly context: TraceContext;
  /** Begins the span of a broadcast; undefined for other commands. End it with its result. */
  broadcast(command: Command): ((result: CommandResult) => void) | undefined;
  /** Ends the span of all. */
  end(results: readonly CommandResult[]): void;
}

/** Begins the span of a list of commands. `delivered` says how many packets were delivered here. */
export function traceCommands(
  trace: Tracer,
  { commands, caller, parent }: TracedCommands,
  delivered: () => number,
): CommandSpans {
  const attributes = { "sluice.commands": commands.length, "sluice.caller": caller };
  const span = trace.start("commands", "commands", { parent, attributes });
  return {
    context: contextOf(span),
    broadcast(command) {
      if (command.do !== "emit" && command.do !== "emitWithAck") return undefined;
      // It is only kept now.
      if ("afterMs" in command && command.afterMs !== undefined) return undefined;
      const own = trace.start("broadcast", "broadcast", { parent: span, ...describe(command) });
      const before = delivered();
      return (result) => endBroadcast(own, result, delivered() - before);
    },
    end(results) {
      const refused = results.filter(({ ok }) => !ok).length;
      span.set({ "sluice.refused": refused });
      span.end();
    },
  };
}

function endBroadcast(span: Span, result: CommandResult, deliveries: number): void {
  if (!result.ok) {
    span.end(result.code);
    return;
  }
  // Of those with acks it says who was asked; of others, what this node has delivered meanwhile.
  const { answers, timedOut } = result;
  const asked = answers && {
    "sluice.answers": answers.length,
    "sluice.timed_out": timedOut?.length,
  };
  span.set(asked ?? { "sluice.deliveries": deliveries });
  span.end();
}

function describe({ to, namespace = "/", event }: Command & { do: "emit" | "emitWithAck" }) {
  return {
    attributes: {
      "messaging.system": "socket.io",
      "messaging.operation.type": "send",
      "messaging.operation.name": "emit",
      "messaging.destination.name": namespace,
      "sluice.event": event,
      // The tracer cuts what is long: there may be thousands of rooms.
      "sluice.rooms": to,
      "sluice.rooms_count": to?.length,
    },
  };
}
