import { useState } from "preact/hooks";
import { readArguments } from "./connect.ts";
import { post } from "./gateway.ts";
import { useConfirmed } from "./parts.tsx";

/** Whom the actions are for. */
export interface Target {
  readonly namespace: string;
  /** A room, or the id of a socket. */
  readonly name: string;
  readonly kind: "room" | "socket";
}

/** Emits to a room or socket, has it join and leave rooms, and disconnects it. */
export function Actions({ namespace, name, kind }: Target) {
  const { ask, element } = useConfirmed();
  const [problem, setProblem] = useState("");
  const whom = `${kind === "room" ? "all of room" : "socket"} ${name}`;
  const send = (question: string, command: object): void => {
    setProblem("");
    ask({
      question,
      detail: JSON.stringify({ namespace, ...command }, null, 2),
      async act() {
        await post("console/commands", { namespace, ...command });
        return "Done.";
      },
    });
  };
  const emit = (event: SubmitEvent): void => {
    event.preventDefault();
    try {
      const args = readArguments(textOf(event, "args"));
      send(`Emit to ${whom}?`, { do: "emit", to: [name], event: textOf(event, "event"), args });
    } catch (error) {
      setProblem(`The arguments are not JSON, one a line: ${(error as Error).message}`);
    }
  };
  const move = (event: SubmitEvent): void => {
    event.preventDefault();
    const does = (event.submitter as HTMLButtonElement).value;
    const room = textOf(event, "room");
    const verb = does === "socketsJoin" ? "join" : "leave";
    send(`Have ${whom} ${verb} ${room}?`, { do: does, in: [name], rooms: [room] });
  };
  return (
    <div class="actions">
      <form class="fields" onSubmit={emit}>
        <label>
          Event
          <input name="event" required spellcheck={false} />
        </label>
        <label class="wide">
          Arguments, JSON, one a line
          <textarea name="args" rows={2} spellcheck={false} />
        </label>
        <button type="submit">Emit</button>
      </form>
      <form class="fields" onSubmit={move}>
        <label>
          Room
          <input name="room" required spellcheck={false} />
        </label>
        <button type="submit" value="socketsJoin" class="quiet">
          Join
        </button>
        <button type="submit" value="socketsLeave" class="quiet">
          Leave
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => send(`Disconnect ${whom}?`, { do: "disconnectSockets", in: [name] })}
        >
          Disconnect
        </button>
      </form>
      <p role="alert" class="problem">
        {problem}
      </p>
      {element}
    </div>
  );
}

function textOf(event: SubmitEvent, name: string): string {
  const form = event.currentTarget as HTMLFormElement;
  return (form.elements.namedItem(name) as HTMLInputElement).value;
}
