import { loadNative, type TemplatedApp } from "./native.ts";

/** An open listen socket. */
export interface Listening {
  readonly port: number;
  /** Takes no new TCP connections from now on. */
  close(): void;
}

/**
 * Listens on `host` and `port`, 0 being any free one. Rejects with one sentence when the port is
 * taken or the address is not this machine's. `shared` lets other processes listen on it too.
 */
export function listen(
  app: TemplatedApp,
  host: string,
  port: number,
  shared = false,
): Promise<Listening> {
  const { uws } = loadNative();
  return new Promise((resolve, reject) => {
    // The addon takes options between port and callback with a host too; its types leave that out.
    const open = app.listen.bind(app) as unknown as (
      host: string,
      port: number,
      options: number,
      done: (socket: Parameters<typeof uws.us_listen_socket_close>[0] | false) => void,
    ) => void;
    open(host, port, shared ? 0 : uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (!socket) {
        reject(
          new Error(`cannot listen on ${host}:${port}: the port is taken, or not allowed here`),
        );
        return;
      }
      let isOpen = true;
      resolve({
        port: uws.us_socket_local_port(socket),
        close() {
          if (isOpen) uws.us_listen_socket_close(socket);
          isOpen = false;
        },
      });
    });
  });
}
