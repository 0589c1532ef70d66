import { once } from "node:events";
import { createServer } from "node:net";
import { messageOf } from "../core/failures.ts";
import { SettingsError } from "../core/settings-shape.ts";
import { loadNative, type TemplatedApp, type us_listen_socket } from "./native.ts";

/** Where to listen, and the section of the settings that says so. */
export interface ListenAt {
  readonly host: string;
  readonly port: number;
  /** Default: socket. */
  readonly section?: "socket" | "api";
}

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
 * and what to do, when the port is taken; with `SettingsError` if the settings are wrong: the
 * address does not belong to this machine, say. With `shared`, other processes may listen on the
 * same port.
 */
export async function listen(app: TemplatedApp, at: ListenAt, shared = false): Promise<Listening> {
  const { host, port } = at;
  const { uws } = loadNative();
  let open = openSocket(app, { host, port }, shared ? 0 : uws.LIBUS_LISTEN_EXCLUSIVE_PORT);
  if (!open) {
    const why = "the port was in use a moment ago; start again";
    throw (await findReason(at)) ?? new Error(`cannot listen on ${host}:${port}: ${why}`);
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

const ADDRESS = [
  "host",
  "must be an address of this machine, or a name of one, without a port",
] as const;

/** What is wrong with a setting, by the code of the error. */
const WRONG: Readonly<Record<string, readonly ["host" | "port", bound: string]>> = {
  EADDRNOTAVAIL: ["host", "this machine does not have the address"],
  ENOTFOUND: ADDRESS,
  EINVAL: ADDRESS,
  // Newer versions of Node.js say this of a name with a null byte in it.
  ERR_INVALID_ARG_VALUE: ADDRESS,
  EACCES: ["port", "this user may not use the port; set one of 1024 or above"],
};

/** Rejects with `SettingsError` if no port of a host can be opened, because the host is wrong. */
export async function checkHost(at: ListenAt): Promise<void> {
  const reason = await findReason({ ...at, port: 0 });
  if (reason instanceof SettingsError) throw reason;
}

/**
 * Returns why a port cannot be opened: uWebSockets.js does not say, so Node.js tries the same.
 * Undefined if Node.js can open it.
 */
async function findReason({
  host,
  port,
  section = "socket",
}: ListenAt): Promise<Error | undefined> {
  const refused = (why: string) => new Error(`cannot listen on ${host}:${port}: ${why}`);
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    return undefined;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "EADDRINUSE") {
      return refused("another process uses the port; stop it, or set another port");
    }
    const [key, bound] = WRONG[code] ?? [];
    if (key === undefined || bound === undefined) return refused(messageOf(error));
    const value = JSON.stringify({ host, port }[key]);
    return new SettingsError([{ path: `${section}.${key}`, value, bound }]);
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
