import { useEffect, useRef, useState } from "preact/hooks";
import { show } from "../connect.ts";
import { listen } from "../gateway.ts";
import { Log } from "../log.tsx";
import type { ViewProps } from "../page.tsx";
import { Problem } from "../parts.tsx";

interface Watched {
  readonly at: number;
  readonly direction: "in" | "out";
  readonly event: string;
  readonly args: readonly unknown[];
  readonly id: string;
  readonly sockets: number;
}

const LINES_MAX = 500;

/** The events of one socket or room of this node, as they come and go. */
export function Watch({ about }: ViewProps) {
  const [lines, setLines] = useState<readonly (Watched & { key: number })[]>([]);
  const [state, setState] = useState<{ sockets: number; dropped: number }>();
  const [problem, setProblem] = useState("");
  const end = useRef<(() => void) | undefined>(undefined);
  const count = useRef(0);
  const stop = (): void => {
    end.current?.();
    setState(undefined);
  };
  useEffect(() => stop, []);

  const start = (event: SubmitEvent): void => {
    event.preventDefault();
    stop();
    setLines([]);
    setProblem("");
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const [namespace = "/", kind = "room", name = ""] = ["namespace", "kind", "name"].map((one) =>
      String(form.get(one)),
    );
    end.current = listen(`console/watch?${new URLSearchParams({ namespace, [kind]: name })}`, {
      heard(what, data) {
        if (what === "state") return setState(data as { sockets: number; dropped: number });
        const line = { ...(data as Watched), key: count.current++ };
        setLines((all) => [...all, line].slice(-LINES_MAX));
      },
      ended({ message }) {
        setState(undefined);
        setProblem(message);
      },
    });
  };
  return (
    <section class="card" aria-label="Watch">
      <h2>Watch</h2>
      <p class="lead">
        Events in and out of one socket, or of up to 50 of a room, at the node that answers here.
      </p>
      <form class="fields" onSubmit={start}>
        <label>
          Namespace
          <select name="namespace">
            {about.namespaces.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          Of
          <select name="kind">
            <option value="room">room</option>
            <option value="id">socket id</option>
          </select>
        </label>
        <label class="wide">
          Name
          <input name="name" required spellcheck={false} />
        </label>
        <button type="submit">Watch</button>
        {state && (
          <button type="button" class="quiet" onClick={stop}>
            Stop
          </button>
        )}
      </form>
      <Problem text={problem} />
      <p class="hint">
        {state ? `${state.sockets} sockets watched, ${state.dropped} events left out` : "stopped"}
      </p>
      <Log label="Watched events" tall>
        {lines.map(({ key, at, direction, event, args, id, sockets }) => (
          <p key={key} class={direction}>
            <span class="kind">{direction}</span> {new Date(at).toLocaleTimeString("en-GB")}{" "}
            <b>{event}</b> {args.map((arg) => show(arg, 500)).join("  ")}{" "}
            <span class="hint">
              {id}
              {sockets > 1 && ` and ${sockets - 1} more`}
            </span>
          </p>
        ))}
      </Log>
    </section>
  );
}
