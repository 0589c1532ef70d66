import type { Namespace, Server, Socket } from "socket.io";

/** The application both suites talk to; `reasons` collects every server-side `disconnect`. */
export interface ContractApp {
  readonly reasons: Map<string, string>;
  install(io: Server): void;
}

/** Returns a small application that shows every kind of packet in both directions. */
export function createContractApp(): ContractApp {
  const reasons = new Map<string, string>();
  function serve(nsp: Namespace): void {
    nsp.on("connection", (socket) => {
      socket.on("disconnect", (reason) => reasons.set(socket.id, reason));
      answer(socket, nsp);
    });
  }
  return {
    reasons,
    install(io) {
      serve(io.of("/"));
      serve(io.of("/other"));
      io.of(/^\/dyn-\d+$/).on("connection", (socket) => answer(socket, socket.nsp));
      io.of("/secret").use((_, next) => {
        next(Object.assign(new Error("not for you"), { data: { code: 7 } }));
      });
    },
  };
}

function answer(socket: Socket, nsp: Namespace): void {
  socket.on("auth", (reply) => reply(socket.handshake.auth));
  socket.on("say", (...args) => socket.emit("said", ...args));
  socket.on("ask", (...args) => args.at(-1)(...args.slice(0, -1)));
  socket.on("all", (...args) => nsp.emit("said", ...args));
  socket.on("call-me", (...args) => {
    socket.emit("called", ...args, (...answers: unknown[]) => socket.emit("said", ...answers));
  });
  socket.on("drop", () => socket.disconnect());
  socket.on("drop-all", () => socket.disconnect(true));
  socket.on("error", () => {}); // a parse error is told here before the connection closes
}
