import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Actions, type Target } from "../actions.tsx";
import { ago, useAsked } from "../asked.ts";
import { short } from "../chart.tsx";
import { get } from "../gateway.ts";
import type { ViewProps } from "../page.tsx";
import { Facts, Json, Problem, Table } from "../parts.tsx";

interface SocketRow {
  readonly id: string;
  readonly user: string;
  readonly address: string;
  readonly issued: number;
  readonly rooms: readonly string[];
}

interface Query extends Record<string, string> {
  namespace: string;
  room: string;
  text: string;
  after: string;
}

/** Who is connected, and in which rooms, over all nodes; one socket or room, and what to do with it. */
export function Who({ about }: ViewProps) {
  const [query, setQuery] = useState<Query>({ namespace: "/", room: "", text: "", after: "" });
  const [target, setTarget] = useState<Target>();
  const { namespace } = query;
  const search = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const [to = "/", room = "", text = ""] = ["namespace", "room", "text"].map((name) =>
      String(form.get(name) ?? ""),
    );
    setQuery({ namespace: to, room, text, after: "" });
  };
  const showRoom = (room: string): void => {
    setQuery({ namespace, room, text: "", after: "" });
    setTarget({ namespace, name: room, kind: "room" });
  };
  return (
    <>
      <form class="fields" onSubmit={search} key={query.room}>
        <label>
          Namespace
          <select name="namespace">
            {about.namespaces.map((one) => (
              <option key={one} selected={one === namespace}>
                {one}
              </option>
            ))}
          </select>
        </label>
        <label>
          In room
          <input name="room" defaultValue={query.room} spellcheck={false} />
        </label>
        <label class="wide">
          Id, user or address has
          <input name="text" defaultValue={query.text} spellcheck={false} />
        </label>
        <button type="submit">Find</button>
      </form>
      {target && (
        <Chosen
          key={`${target.kind} ${target.name}`}
          target={target}
          close={() => setTarget(undefined)}
        />
      )}
      <div class="who">
        <Sockets
          query={query}
          page={(after) => setQuery({ ...query, after })}
          chosen={(name) => setTarget({ namespace, name, kind: "socket" })}
        />
        <Rooms key={namespace} namespace={namespace} chosen={showRoom} />
      </div>
    </>
  );
}

/** One socket or room. It takes the focus, because it comes above what was clicked. */
function Chosen({ target, close }: { readonly target: Target; readonly close: () => void }) {
  const place = useRef<HTMLElement>(null);
  useEffect(() => place.current?.focus(), []);
  return (
    <section ref={place} class="card" aria-label="Chosen" tabIndex={-1}>
      <h2>
        {target.kind === "room" ? "Room" : "Socket"} <code>{target.name}</code>
        <button type="button" class="quiet" onClick={close}>
          Close
        </button>
      </h2>
      {target.kind === "socket" ? (
        <Detail {...target}>
          <Actions {...target} />
        </Detail>
      ) : (
        <Actions {...target} />
      )}
    </section>
  );
}

interface SocketsProps {
  readonly query: Query;
  readonly page: (after: string) => void;
  readonly chosen: (id: string) => void;
}

function Sockets({ query, page, chosen }: SocketsProps) {
  const { value, problem, again } = useAsked(
    () => get<{ sockets: SocketRow[]; next?: string }>("console/sockets", query),
    JSON.stringify(query),
  );
  return (
    <section class="card" aria-label="Sockets">
      <h2>
        Sockets
        <button type="button" class="quiet" onClick={again}>
          Refresh
        </button>
      </h2>
      <Problem text={problem} />
      <Table label="List of sockets" heads={["Id", "User", "Address", "Age", "Rooms"]}>
        {value?.sockets.map(({ id, user, address, issued, rooms }) => (
          <tr key={id}>
            <td class="code">
              <button type="button" class="link" onClick={() => chosen(id)}>
                {id}
              </button>
            </td>
            <td>{user}</td>
            <td class="code">{address}</td>
            <td>{ago(Date.now() - issued)}</td>
            <td>{rooms.join(", ")}</td>
          </tr>
        ))}
      </Table>
      {value?.sockets.length === 0 && <p class="hint">Nobody of this page fits.</p>}
      <Pages after={query.after} next={value?.next} turn={page} />
    </section>
  );
}

function Rooms({
  namespace,
  chosen,
}: {
  readonly namespace: string;
  readonly chosen: (room: string) => void;
}) {
  const [after, setAfter] = useState("");
  const { value, problem } = useAsked(
    () =>
      get<{ rooms: { room: string; sockets: number }[]; next?: string }>("console/rooms", {
        namespace,
        after,
      }),
    `${namespace} ${after}`,
  );
  return (
    <section class="card" aria-label="Rooms">
      <h2>Rooms</h2>
      <Problem text={problem} />
      <Table label="List of rooms" heads={["Room", "Sockets"]}>
        {value?.rooms.map(({ room, sockets }) => (
          <tr key={room}>
            <td>
              <button type="button" class="link" onClick={() => chosen(room)}>
                {room}
              </button>
            </td>
            <td class="number">{short(sockets)}</td>
          </tr>
        ))}
      </Table>
      {value?.rooms.length === 0 && <p class="hint">There are no rooms.</p>}
      <Pages after={after} next={value?.next} turn={setAfter} />
    </section>
  );
}

/** To the first page and to the next; there is no way back but from the beginning. */
export function Pages({
  after,
  next,
  turn,
}: {
  readonly after: string;
  readonly next: string | undefined;
  readonly turn: (after: string) => void;
}) {
  return (
    <p class="fields">
      {after !== "" && (
        <button type="button" class="quiet" onClick={() => turn("")}>
          First page
        </button>
      )}
      {next !== undefined && (
        <button type="button" class="quiet" onClick={() => turn(next)}>
          Next page
        </button>
      )}
    </p>
  );
}

interface Shown {
  readonly node: string;
  readonly rooms: readonly string[];
  readonly data: unknown;
  readonly auth: object;
  readonly handshake: object;
  readonly connection: {
    readonly transport: string;
    readonly codec: string;
    readonly unsentBytes: number;
    readonly pressured: boolean;
    readonly ageMs: number;
  };
}

function Detail({ namespace, name, children }: Target & { readonly children: ComponentChildren }) {
  const { value, problem, again } = useAsked(
    () => get<Shown>("console/socket", { namespace, id: name }),
    `${namespace} ${name}`,
  );
  if (!value) return <Problem text={problem} />;
  const { transport, codec, unsentBytes, pressured, ageMs } = value.connection;
  const facts: readonly (readonly [string, string])[] = [
    ["Node", value.node],
    ["Transport", `${transport}, ${codec}`],
    ["Age", ago(ageMs)],
    ["Unsent", `${short(unsentBytes)} bytes${pressured ? ", under pressure" : ""}`],
    ["Rooms", value.rooms.join(", ")],
  ];
  return (
    <>
      <Problem text={problem} />
      <Facts of={facts} />
      <button type="button" class="quiet" onClick={again}>
        Look again
      </button>
      {children}
      <div class="halves">
        <Json label="data" value={{ data: value.data }} />
        <Json label="Handshake" value={{ auth: value.auth, ...value.handshake }} />
      </div>
    </>
  );
}
