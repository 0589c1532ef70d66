/** The rows for every version of socket.io-client, in Node.js, Bun, Deno and browsers. */
import type { io as connect, ManagerOptions, Socket, SocketOptions } from "socket.io-client";

/** What the rows stand on. */
export interface Trial {
  /** The client's `io`, of any version since 3. */
  readonly io: typeof connect;
  readonly url: string;
  readonly token: string;
  readonly options?: Partial<ManagerOptions & SocketOptions>;
  /** Whether it is of Socket.IO 2: its token is in the query, its refusals are the event `error`. */
  readonly isOld?: boolean;
  /** Makes what the client sends bytes as; a Uint8Array unless it is given. */
  bytes?(bytes: Uint8Array<ArrayBuffer>): unknown;
  print(line: Readonly<Record<string, unknown>>): void;
}

type Options = Trial["options"];
/** Opens a connection; a namespace beside another one's shares its connection. */
type Open = (options?: Options, namespace?: string, beside?: Socket) => Socket;
type Row = (open: Open, values: Values) => Promise<unknown>;

/** What differs between clients. */
interface Values {
  readonly isOld: boolean;
  /** 0, 1, … 255. */
  readonly up: unknown;
  /** 255, 254, … 0. */
  readonly down: unknown;
}

/** Longest a row waits for anything. */
const ROW_MS = 10_000;

const UP = Uint8Array.from({ length: 256 }, (_, index) => index);
const DOWN = Uint8Array.from(UP).reverse();
const VALUES = ["tëxt 😀", 42, -0.5, true, null, { list: [1, ["two"]], deep: { er: "x" } }];

function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${ROW_MS} ms`)), ROW_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function next(socket: Socket, event: string): Promise<unknown[]> {
  const came = new Promise<unknown[]>((resolve) => {
    socket.once(event, (...values: unknown[]) => resolve(values));
  });
  return within(came, event);
}

/** Emits an event; resolves with the values of its ack. The client has this only since 4.6. */
function ask(socket: Socket, event: string, ...values: unknown[]): Promise<unknown[]> {
  const acked = new Promise<unknown[]>((resolve) => {
    socket.emit(event, ...values, (...answer: unknown[]) => resolve(answer));
  });
  return within(acked, `the ack of ${event}`);
}

/** Resolves once a client is connected; rejects if it is refused. */
function connected(socket: Socket): Promise<void> {
  const done = new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("connect_error", reject);
  });
  return within(done, "connect");
}

/** Makes values comparable as text: bytes of any type in hexadecimal. */
function write(value: unknown): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, key, json: unknown) {
    // `json` is what a Buffer's own toJSON has made of it.
    const raw = this[key];
    const isBytes = raw instanceof ArrayBuffer || ArrayBuffer.isView(raw);
    if (!isBytes) return json;
    const bytes =
      raw instanceof ArrayBuffer
        ? new Uint8Array(raw)
        : new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
    return `bytes ${hex(bytes)}`;
  });
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function same(found: unknown, wanted: unknown): void {
  if (write(found) !== write(wanted)) throw new Error(`${write(found)}, not ${write(wanted)}`);
}

async function usesTransport(open: Open, transport: "polling" | "websocket"): Promise<void> {
  const socket = open({ transports: [transport] });
  await connected(socket);
  same(await ask(socket, "transport"), [transport, transport]);
}

async function sendsBytes(socket: Socket, { up, down }: Values): Promise<void> {
  await connected(socket);
  const [found] = await ask(socket, "hex", up, { nested: { list: [down] } });
  same(found, [hex(UP), hex(DOWN)]);
}

async function receivesBytes(socket: Socket): Promise<void> {
  const event = next(socket, "bytes");
  const acked = ask(socket, "bytes");
  for (const values of [await event, await acked]) same(values, [UP, { nested: { list: [DOWN] } }]);
}

interface Refusal {
  readonly isOld: boolean;
  readonly message: string;
  readonly code?: string;
}

async function isRefused(socket: Socket, { isOld, message, code }: Refusal): Promise<void> {
  const [error] = await next(socket, isOld ? "error" : "connect_error");
  if (isOld) {
    // Not an Error: the data, or an object with the message where there is none.
    const old = error as { code?: string; message?: string };
    same(old.code ?? old.message, code ?? message);
    return;
  }
  const { message: told, data } = error as Error & { data?: { code?: string } };
  same([told, data?.code], [message, code]);
}

async function talks(open: Open, payload: unknown): Promise<void> {
  const socket = open();
  await connected(socket);
  const heard: unknown[] = [];
  socket.on("heard", (value: unknown) => heard.push(value));
  await ask(socket, "join", "mixed");
  const first = next(socket, "heard");
  socket.emit("say", "mixed", payload);
  await first;
  // Were it told twice, the second one would be here before this answer.
  await ask(socket, "echo");
  same(heard, [payload]);
}

/** Resolves with the reason of a disconnect, once the client is back. */
async function comesBack(open: Open, event: string): Promise<string> {
  const socket = open({ transports: ["websocket"] });
  await connected(socket);
  const back = new Promise<void>((resolve) => {
    socket.once("disconnect", () => socket.once("connect", () => resolve()));
  });
  const gone = next(socket, "disconnect");
  socket.emit(event);
  const [reason] = await gone;
  await within(back, "the reconnection");
  same(await ask(socket, "echo", 1), [1]);
  return String(reason);
}

const ROWS: Readonly<Record<string, Row>> = {
  websocket: (open) => usesTransport(open, "websocket"),
  polling: (open) => usesTransport(open, "polling"),
  async upgrade(open) {
    const socket = open();
    await connected(socket);
    const end = Date.now() + ROW_MS;
    for (;;) {
      const [first, now] = await ask(socket, "transport");
      same(first, "polling");
      if (now === "websocket") return;
      if (Date.now() > end) throw new Error(`still ${now}`);
    }
  },
  async auth(open, { isOld }) {
    const without = { isOld, message: "A token is required", code: "AUTH_REQUIRED" };
    await isRefused(open({ auth: {} }), without);
    const wrong = { isOld, message: "The token is not valid here", code: "AUTH_INVALID" };
    await isRefused(open({ auth: { token: "wrong" } }), wrong);
  },
  async "ack-to-server"(open) {
    const socket = open();
    await connected(socket);
    same(await ask(socket, "echo", ...VALUES), VALUES);
  },
  async "ack-to-client"(open) {
    const socket = open();
    await connected(socket);
    socket.on("question", (value: unknown, ack: (answer: unknown) => void) =>
      ack({ answer: value }),
    );
    same(await ask(socket, "ask", "why?"), [{ answer: "why?" }]);
  },
  "binary-to-server": (open, values) => sendsBytes(open(), values),
  async "binary-to-client"(open) {
    const socket = open();
    await connected(socket);
    await receivesBytes(socket);
  },
  async "binary-polling"(open, values) {
    const socket = open({ transports: ["polling"] });
    await sendsBytes(socket, values);
    await receivesBytes(socket);
  },
  rooms: (open) => talks(open, { text: "tëxt 😀", number: 42, list: [true, null, { x: "y" }] }),
  "rooms-binary": (open, { up, down }) => talks(open, { bytes: up, nested: [down] }),
  async namespace(open) {
    const socket = open();
    await connected(socket);
    const second = open({}, "/second", socket);
    await connected(second);
    same(await ask(second, "echo", "second"), ["second"]);
    same(await ask(socket, "echo", "first"), ["first"]);
  },
  async "namespace-refused"(open, { isOld }) {
    const refusal = { isOld, message: "Nobody may enter", code: "CLOSED" };
    await isRefused(open({}, "/refused"), refusal);
    await isRefused(open({}, "/nowhere"), { isOld, message: "Invalid namespace" });
  },
  async "server-disconnect"(open) {
    const socket = open({ transports: ["websocket"] });
    await connected(socket);
    const gone = next(socket, "disconnect");
    socket.emit("leave-me");
    const [reason] = await gone;
    const back = connected(socket);
    socket.connect();
    await back;
    same(await ask(socket, "echo", 1), [1]);
    return String(reason);
  },
  async "client-disconnect"(open) {
    const socket = open({ transports: ["websocket"] });
    await connected(socket);
    const gone = next(socket, "disconnect");
    socket.disconnect();
    return String((await gone)[0]);
  },
  "reconnect-after-close": (open) => comesBack(open, "close-me"),
  "reconnect-after-cut": (open) => comesBack(open, "cut-me"),
};

/** Runs all rows, one after the other, and prints a line for each. */
export async function runRows(trial: Trial): Promise<void> {
  const { bytes = (given) => given } = trial;
  const { isOld = false } = trial;
  const values = { isOld, up: bytes(UP), down: bytes(DOWN) };
  for (const [row, run] of Object.entries(ROWS)) {
    const opened: Socket[] = [];
    const open: Open = (given, namespace = "", beside) => {
      const { auth = { token: trial.token }, ...more } = given ?? {};
      const token = isOld ? { query: auth as Record<string, string> } : { auth }; // only a token
      const shared = { ...trial.options, forceNew: true, reconnectionDelay: 100 };
      const options = { ...shared, ...token, ...more };
      const socket = beside
        ? beside.io.socket(namespace, options)
        : trial.io(trial.url + namespace, options);
      opened.push(socket);
      return socket;
    };
    try {
      const reason = await run(open, values);
      trial.print({ row, result: "works", ...(typeof reason === "string" && { reason }) });
    } catch (error) {
      trial.print({ row, result: "fails", detail: String(error) });
    }
    for (const socket of opened) socket.disconnect();
  }
}
