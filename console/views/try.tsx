import { useEffect, useRef, useState } from "preact/hooks";
import type { Socket } from "socket.io-client";
import { type Choices, codecsOf, connect, readArguments, show } from "../connect.ts";
import type { About } from "../gateway.ts";
import { Log } from "../log.tsx";
import type { ViewProps } from "../page.tsx";

const LINES_MAX = 200;
const CLIENTS_MAX = 4;
/** How long an acknowledgement is waited for. */
const ACK_MS = 10_000;

/** The playground: real clients in the page. */
export function Try({ about }: ViewProps) {
  const [clients, setClients] = useState([1]);
  const add = () => setClients((all) => [...all, Math.max(...all) + 1]);
  const remove = (id: number) => setClients((all) => all.filter((one) => one !== id));
  return (
    <>
      <p class="lead">
        Connect as a client, emit an event, and see what comes back. Add a second client, with the
        other codec, and they hear each other.
      </p>
      <div class="clients">
        {clients.map((id) => (
          <Client
            key={id}
            id={id}
            about={about}
            {...(clients.length > 1 && { remove: () => remove(id) })}
          />
        ))}
      </div>
      <button type="button" class="quiet" onClick={add} disabled={clients.length >= CLIENTS_MAX}>
        Add a client
      </button>
    </>
  );
}

interface LogLine {
  readonly key: number;
  readonly kind: "in" | "out" | "ack" | "state" | "problem";
  readonly text: string;
}

function Client({
  id,
  about,
  remove,
}: {
  readonly id: number;
  readonly about: About;
  readonly remove?: () => void;
}) {
  const [socket, setSocket] = useState<Socket>();
  const [isConnected, setConnected] = useState(false);
  const [lines, setLines] = useState<readonly LogLine[]>([]);
  const count = useRef(0);
  const tell = (kind: LogLine["kind"], text: string): void => {
    const line = { key: count.current++, kind, text };
    setLines((all) => [...all, line].slice(-LINES_MAX));
  };
  useEffect(() => () => void socket?.disconnect(), [socket]);

  const open = async (choices: Choices): Promise<void> => {
    socket?.disconnect();
    const made = await connect(about, choices);
    // It may be upgraded before its namespace has let it in.
    made.io.on("open", () => {
      made.io.engine.once("upgrade", () => tell("state", "upgraded to websocket"));
    });
    made.on("connect", () => {
      setConnected(true);
      const { name } = made.io.engine.transport;
      tell("state", `connected as ${made.id} over ${name}, ${choices.codec}`);
    });
    made.on("disconnect", (reason) => {
      setConnected(false);
      tell("state", `disconnected: ${reason}`);
    });
    made.on("connect_error", ({ message }) => tell("problem", `refused: ${message}`));
    made.onAny((event: string, ...args: unknown[]) => tell("in", write(event, args)));
    setSocket(made);
  };
  const emit = (event: string, args: readonly unknown[], wantsAck: boolean): void => {
    if (!socket) return;
    tell("out", write(event, args));
    if (!wantsAck) return void socket.emit(event, ...args);
    socket
      .timeout(ACK_MS)
      .emitWithAck(event, ...args)
      .then(
        (answer) => tell("ack", `${event} → ${show(answer)}`),
        () => tell("problem", `${event}: no acknowledgement within ${ACK_MS / 1000} s`),
      );
  };
  return (
    <section class="card client" aria-label={`Client ${id}`}>
      <h2>
        Client {id} <small class={isConnected ? "good" : ""}>{stateOf(isConnected)}</small>
        {remove && (
          <button type="button" class="quiet" onClick={remove} aria-label={`Remove client ${id}`}>
            Remove
          </button>
        )}
      </h2>
      <Connect
        {...{ about, open, isConnected }}
        byDefault={codecsOf(about)[(id - 1) % codecsOf(about).length] ?? "json"}
        close={() => socket?.disconnect()}
        failed={(text) => tell("problem", text)}
      />
      <Emit
        {...{ emit, isConnected }}
        isChat={about.isChat}
        failed={(text) => tell("problem", text)}
      />
      <Log label={`What client ${id} sent and got`}>
        {lines.map(({ key, kind, text }) => (
          <p key={key} class={kind}>
            <span class="kind">{kind}</span> {text}
          </p>
        ))}
      </Log>
    </section>
  );
}

const stateOf = (isConnected: boolean): string => (isConnected ? "connected" : "not connected");

function write(event: string, args: readonly unknown[]): string {
  return [event, ...args.map((one) => show(one))].join("  ");
}

function textOf(form: HTMLFormElement, name: string): string {
  return (form.elements.namedItem(name) as HTMLInputElement).value;
}

interface ConnectProps {
  readonly about: About;
  readonly byDefault: Choices["codec"];
  readonly isConnected: boolean;
  readonly open: (choices: Choices) => Promise<void>;
  readonly close: () => void;
  readonly failed: (why: string) => void;
}

function Connect({ about, byDefault, isConnected, open, close, failed }: ConnectProps) {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const auth = textOf(form, "auth").trim();
    try {
      const choices = {
        namespace: textOf(form, "namespace") || "/",
        codec: textOf(form, "codec") as Choices["codec"],
        transport: textOf(form, "transport") as Choices["transport"],
        ...(auth !== "" && { auth: JSON.parse(auth) as unknown }),
      };
      open(choices).catch((error: Error) => failed(error.message));
    } catch (error) {
      failed(`auth is not JSON: ${(error as Error).message}`);
    }
  };
  return (
    <form class="fields" onSubmit={submit}>
      <label>
        Namespace
        <input name="namespace" defaultValue="/" spellcheck={false} />
      </label>
      <label>
        Codec
        <select name="codec">
          {codecsOf(about).map((codec) => (
            <option key={codec} selected={codec === byDefault}>
              {codec}
            </option>
          ))}
        </select>
      </label>
      <label>
        Transport
        <select name="transport">
          {about.transports.includes("websocket") && <option value="websocket">WebSocket</option>}
          {about.transports.includes("polling") && <option value="polling">long-polling</option>}
          {about.transports.length > 1 && <option value="both">polling, then upgrade</option>}
        </select>
      </label>
      <label class="wide">
        auth, as JSON
        <input name="auth" placeholder='{"token": "…"}' spellcheck={false} />
      </label>
      <button type="submit">{isConnected ? "Connect again" : "Connect"}</button>
      {isConnected && (
        <button type="button" class="quiet" onClick={close}>
          Disconnect
        </button>
      )}
    </form>
  );
}

interface EmitProps {
  readonly isConnected: boolean;
  readonly isChat: boolean;
  readonly emit: (event: string, args: readonly unknown[], wantsAck: boolean) => void;
  readonly failed: (why: string) => void;
}

/** Events of the room chat, to begin with. */
const EXAMPLES = [
  { event: "join", args: '"lobby"' },
  { event: "message", args: '"lobby"\n"hello"' },
];

function Emit({ isConnected, isChat, emit, failed }: EmitProps) {
  const [event, setEvent] = useState(isChat ? "join" : "");
  const [args, setArgs] = useState(isChat ? '"lobby"' : "");
  const submit = (submitted: SubmitEvent): void => {
    submitted.preventDefault();
    const form = submitted.currentTarget as HTMLFormElement;
    const wantsAck = (form.elements.namedItem("ack") as HTMLInputElement).checked;
    try {
      emit(event, readArguments(args), wantsAck);
    } catch (error) {
      failed(`the arguments are not JSON, one a line: ${(error as Error).message}`);
    }
  };
  return (
    <form class="fields" onSubmit={submit}>
      <label>
        Event
        <input
          value={event}
          onInput={({ currentTarget }) => setEvent(currentTarget.value)}
          spellcheck={false}
          required
        />
      </label>
      <label class="wide">
        Arguments, JSON, one a line
        <textarea
          rows={2}
          value={args}
          onInput={({ currentTarget }) => setArgs(currentTarget.value)}
          spellcheck={false}
        />
      </label>
      <label class="check">
        <input type="checkbox" name="ack" defaultChecked /> with acknowledgement
      </label>
      <button type="submit" disabled={!isConnected}>
        Emit
      </button>
      {isChat &&
        EXAMPLES.map((one) => (
          <button
            key={one.event}
            type="button"
            class="quiet"
            onClick={() => {
              setEvent(one.event);
              setArgs(one.args);
            }}
          >
            Example: {one.event}
          </button>
        ))}
    </form>
  );
}
