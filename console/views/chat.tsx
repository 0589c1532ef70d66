import { useEffect, useRef, useState } from "preact/hooks";
import type { Socket } from "socket.io-client";
import { codecsOf, connect } from "../connect.ts";
import { Log } from "../log.tsx";
import type { ViewProps } from "../page.tsx";

interface Said {
  readonly from: string;
  readonly room: string;
  readonly text: string;
}

const LINES_MAX = 500;

/** The room chat of the examples, as one of its clients. */
export function Chat({ about }: ViewProps) {
  const [room, setRoom] = useState("lobby");
  const [joined, setJoined] = useState("");
  const [lines, setLines] = useState<readonly { key: number; text: string }[]>([]);
  const count = useRef(0);
  const [problem, setProblem] = useState("");
  const socket = useRef<Socket | undefined>(undefined);
  const tell = (text: string): void => {
    const line = { key: count.current++, text };
    setLines((all) => [...all, line].slice(-LINES_MAX));
  };

  useEffect(() => {
    let isGone = false;
    connect(about, { namespace: "/", codec: codecsOf(about)[0] ?? "json", transport: "both" }).then(
      (made) => {
        if (isGone) return void made.disconnect();
        socket.current = made;
        made.on("message", ({ from, room, text }: Said) => tell(`${room} · ${from}: ${text}`));
        made.on("user has left", (id: string, room: string) => tell(`${room} · ${id} has left`));
        made.on("connect_error", ({ message }) => setProblem(message));
        made.on("connect", () => setProblem(""));
      },
      (error: Error) => setProblem(error.message),
    );
    return () => {
      isGone = true;
      socket.current?.disconnect();
    };
  }, []);

  const join = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (joined !== "") socket.current?.emit("leave", joined);
    const isIn = await socket.current?.emitWithAck("join", room);
    setJoined(isIn === true ? room : "");
    setProblem(isIn === true ? "" : "The room was refused.");
    if (isIn === true) tell(`you are in ${room}`);
  };
  const say = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const field = form.elements.namedItem("text") as HTMLInputElement;
    socket.current?.emit("message", joined, field.value);
    tell(`${joined} · you: ${field.value}`);
    field.value = "";
  };
  return (
    <section class="card client" aria-label="Room chat">
      <h2>Room chat</h2>
      <p class="lead">
        The gateway runs <code>examples/chat.ts</code>. Open this page a second time, and the two
        hear each other.
      </p>
      <p role="alert" class="problem">
        {problem}
      </p>
      <form class="fields" onSubmit={join}>
        <label>
          Room
          <input
            value={room}
            maxLength={128}
            onInput={({ currentTarget }) => setRoom(currentTarget.value)}
            required
          />
        </label>
        <button type="submit">Join</button>
      </form>
      <Log label="Messages" tall>
        {lines.map(({ key, text }) => (
          <p key={key}>{text}</p>
        ))}
      </Log>
      <form class="fields" onSubmit={say}>
        <label class="wide">
          Message
          <input name="text" autocomplete="off" required disabled={joined === ""} />
        </label>
        <button type="submit" disabled={joined === ""}>
          Send
        </button>
      </form>
    </section>
  );
}
