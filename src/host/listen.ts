import { once } from "node:events";
import { createServer } from "node:net";
import { messageOf } from "../core/failures.ts";
import { loadNative, type TemplatedApp, type us_listen_socket } from "./native.ts";

/** An open listen socket. */
export interface Listening {
  readonly port: number;
  /** Stops accepting TCP connections, for good. */
  close(): void;
  /**
   * Stops accepting TCP connections until `resume`. New ones are refused, and those not yet
   * accepted are reset.
   */
  pause(): void;
  /** Listens on the same port again. Returns false if that failed, and after `close`. */
  resume(): boolean;
}

/**
 * Listens on `host` and `port`; port 0 picks a free one. Rejects with one sentence that says why,
 * and what to do, when the port is taken or the address does not belong to this machine. With
 * `shared`, other processes may listen on the same port.
 */
export async function listen(
  app: TemplatedApp,
  { host, port }: { readonly host: string; readonly port: number },
  shared = false,
): Promise<Listening> {
  const { uws } = loadNative();
  let open = openSocket(app, { host, port }, shared ? 0 : uws.LIBUS_LISTEN_EXCLUSIVE_PORT);
  if (!open) {
    throw new Error(`cannot listen on ${host}:${port}: ${await findReason(host, port)}`);
  }
  const own = uws.us_socket_local_port(open);
  // Now it is certain that no other process has the port. Open it again as a shared one, because
  // `resume` could not open an exclusive one while earlier connections are open. A process that
  // asks for the port exclusively still gets an error.
  if (!shared) {
    uws.us_listen_socket_close(open);
    open = openSocket(app, { host, port: own }, 0);
  }
  let closed = false;
  function pause(): void {
    if (open) uws.us_listen_socket_close(open);
    open = undefined;
  }
  return {
    port: own,
    pause,
    resume() {
      if (closed) return false;
      open ??= openSocket(app, { host, port: own }, 0);
      return open !== undefined;
    },
    close() {
      closed = true;
      pause();
    },
  };
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another process uses the port; stop it, or set another port",
  EADDRNOTAVAIL: "this machine does not have the address; set another host",
  ENOTFOUND: "the name of the host has no address; set another host",
  EACCES: "this user may not use the port; set a port of 1024 or above",
};

/** Says why a port cannot be opened: uWebSockets.js does not, so Node.js tries the same. */
async function findReason(host: string, port: number): Promise<string> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    return "the port was in use a moment ago; start again";
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return REASONS[code] ?? messageOf(error);
  } finally {
    server.close();
  }
}

function openSocket(
  app: TemplatedApp,
  { host, port }: { readonly host: string; readonly port: number },
  options: number,
): us_listen_socket | undefined {
  // The addon accepts options between port and callback; its types omit them when a host is given.
  const open = app.listen.bind(app) as unknown as (
    host: string,
    port: number,
    options: number,
    done: (socket: us_listen_socket | false) => void,
  ) => void;
  let opened: us_listen_socket | false = false;
  // The callback runs before `listen` returns.
  open(host, port, options, (socket) => {
    opened = socket;
  });
  return opened || undefined;
}
