import { createEmitter, createHandler, Refusal } from "sluice/edge";

/** What clients may emit, declared once, as in Socket.IO. */
interface ClientEvents {
  join: (room: string, done: (people: string) => void) => void;
  message: (room: string, text: string, done: (how: { delivered: boolean }) => void) => void;
  typing: (room: string) => void;
}

/** What clients receive. */
interface ServerEvents {
  joined: (room: string, name: string) => void;
  message: (room: string, name: string, text: string) => void;
  typing: (room: string, name: string) => void;
  paused: (room: string, name: string) => void;
  left: (name: string) => void;
  news: (text: string) => void;
}

/** The settings of the function, from environment variables or a worker's bindings. */
export interface Env {
  /** The gateway's `upstream.secrets`. */
  readonly SLUICE_SECRET: string;
  /** Address of the gateway's HTTP API, and the secret of a key of `api.keys`, without its id. */
  readonly SLUICE_URL: string;
  readonly SLUICE_KEY: string;
}

/**
 * Returns the chat: a `fetch` handler that holds no socket and no state. The gateway calls
 * `POST /call`. `POST /news` sends news to everyone: it shows how to emit outside of a call.
 */
export function createChat(env: Env): (request: Request) => Promise<Response> {
  const emitter = createEmitter<ServerEvents>({ url: env.SLUICE_URL, key: env.SLUICE_KEY });

  const calls = createHandler<ClientEvents, ServerEvents>({
    secret: env.SLUICE_SECRET.split(","),

    connect({ handshake }) {
      const name = (handshake.auth as { name?: unknown } | null)?.name;
      if (typeof name !== "string" || name === "" || name.length > 100) {
        throw new Refusal("tell us your name", { field: "name" });
      }
      return { userId: name, data: { name }, rooms: ["lobby"] };
    },

    events: {
      join({ socket, args: [given] }, io) {
        const room = textOf(given, 100);
        io.in(socket.id).socketsJoin(room);
        io.to(room).except(socket.id).emit("joined", room, nameOf(socket));
        return [`welcome to ${room}`];
      },
      message({ socket, args: [given, said] }, io) {
        const [room, text] = [textOf(given, 100), textOf(said, 1000)];
        io.to(room).except(socket.id).emit("message", room, nameOf(socket), text);
        io.cancel(typingOf(socket));
        return [{ delivered: true }];
      },
      typing({ socket, args: [given] }, io) {
        const room = textOf(given, 100);
        const others = io.to(room).except(socket.id);
        others.volatile.emit("typing", room, nameOf(socket));
        // A function has no timers, so the gateway emits this later, unless `cancel` comes first.
        // A new command with the same key replaces this one.
        others.after(5000, { key: typingOf(socket) }).emit("paused", room, nameOf(socket));
      },
    },

    disconnect({ socket }, io) {
      io.to("lobby").emit("left", nameOf(socket));
    },
  });

  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/call") return calls(request);
    if (pathname !== "/news" || request.method !== "POST") {
      return new Response("not found", { status: 404 });
    }
    await emitter.emit("news", await request.text());
    return new Response(null, { status: 204 });
  };
}

// The types describe what good clients send. Refuse everything else. Any other exception counts as a
// failure of the function, and the gateway stops calling a function that fails too often.
function textOf(given: unknown, charsMax: number): string {
  if (typeof given !== "string" || given === "") throw new Refusal("that is no text");
  if (given.length > charsMax) throw new Refusal("that is too long");
  return given;
}

function typingOf({ id }: { readonly id: string }): string {
  return `typing:${id}`;
}

function nameOf({ userId }: { readonly userId?: string | undefined }): string {
  return userId ?? "somebody";
}
