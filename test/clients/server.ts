/** The application that every client of the suite talks to; README.md says what each event does. */
import type { Namespace, Server, Socket } from "socket.io";

type Ack = (...values: unknown[]) => void;

const UP = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const DOWN = Buffer.from([...UP].reverse());
const BYTES = [UP, { nested: { list: [DOWN] } }] as const;

/** How long an answer to `question` is waited for. */
const ANSWER_MS = 8000;

/** Adds the suite's events to a gateway. */
export default function serve(io: Server): void {
  for (const name of ["/", "/second"]) {
    const namespace = io.of(name);
    namespace.on("connection", (socket) => serveSocket(namespace, socket));
  }
  io.of("/refused").use((_, next) => {
    next(Object.assign(new Error("Nobody may enter"), { data: { code: "CLOSED" } }));
  });
}

function serveSocket(namespace: Namespace, socket: Socket): void {
  socket.on("transport", (ack: Ack) =>
    ack(socket.handshake.query.transport, socket.conn.transport.name),
  );
  socket.on("echo", (...values: unknown[]) => (values.pop() as Ack)(...values)); // its contract
  socket.on("hex", (...values: unknown[]) => (values.pop() as Ack)(listHex(values))); // its contract
  socket.on("bytes", (ack: Ack) => {
    socket.emit("bytes", ...BYTES);
    ack(...BYTES);
  });
  socket.on("ask", async (value: unknown, ack: Ack) => {
    ack(await socket.timeout(ANSWER_MS).emitWithAck("question", value));
  });
  socket.on("join", async (room: string, ack: Ack) => {
    await socket.join(room);
    ack();
  });
  for (const [event, told] of [
    ["say", "said"],
    ["hear", "heard"],
  ] as const) {
    socket.on(event, (room: string, payload: unknown) => socket.to(room).emit(told, payload));
  }
  socket.on("leave-me", () => socket.disconnect(true));
  socket.on("close-me", () => socket.conn.close());
  socket.on("cut-me", () => namespace.server.to("runner").emit("cut"));
}

/** Lists the byte strings in a value, nested ones included, in hexadecimal. */
function listHex(value: unknown): string[] {
  if (Buffer.isBuffer(value)) return [value.toString("hex")];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(listHex);
}
