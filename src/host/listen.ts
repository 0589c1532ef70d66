import { loadNative, type TemplatedApp, type us_listen_socket } from "./native.ts";

/** An open listen socket. */
export interface Listening {
  readonly port: number;
  /** Takes no new TCP connections from now on. */
  close(): void;
  /** Takes none until `resume`; meanwhile they are refused, and those that wait are reset. */
  pause(): void;
  /** Listens again at the same port; false when that failed, and after `close`. */
  resume(): boolean;
}

/**
 * Listens on `host` and `port`, 0 being any free one. Rejects with one sentence when the port is
 * taken or the address is not this machine's. `shared` lets other processes listen on it too.
 */
export async function listen(
  app: TemplatedApp,
  host: string,
  port: number,
  shared = false,
): Promise<Listening> {
  const { uws } = loadNative();
  let open = openSocket(app, host, port, shared ? 0 : uws.LIBUS_LISTEN_EXCLUSIVE_PORT);
  if (!open) {
    throw new Error(`cannot listen on ${host}:${port}: the port is taken, or not allowed here`);
  }
  const own = uws.us_socket_local_port(open);
  // That the port is nobody else's is known now. Only a shared one can be listened on again while
  // connections of before are open; who wants it exclusively is still told that it is taken.
  if (!shared) {
    uws.us_listen_socket_close(open);
    open = openSocket(app, host, own, 0);
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
      open ??= openSocket(app, host, own, 0);
      return open !== undefined;
    },
    close() {
      closed = true;
      pause();
    },
  };
}

function openSocket(
  app: TemplatedApp,
  host: string,
  port: number,
  options: number,
): us_listen_socket | undefined {
  // The addon takes options between port and callback with a host too; its types leave that out.
  const open = app.listen.bind(app) as unknown as (
    host: string,
    port: number,
    options: number,
    done: (socket: us_listen_socket | false) => void,
  ) => void;
  let opened: us_listen_socket | false = false;
  // It calls back before it returns.
  open(host, port, options, (socket) => {
    opened = socket;
  });
  return opened || undefined;
}
