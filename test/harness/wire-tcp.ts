import { AsyncLocalStorage } from "node:async_hooks";
import { connect, type Socket } from "node:net";

/** A raw TCP connection with a buffering reader: bytes that arrive early wait for who reads them. */
export interface Tcp {
  readonly socket: Socket;
  write(bytes: string | Uint8Array): void;
  /** Resolves with exactly `count` bytes; rejects with {@link WireEnded} if the peer ends first. */
  read(count: number): Promise<Buffer>;
  /** Resolves with everything up to and including `mark`. */
  readThrough(mark: string): Promise<Buffer>;
  /** Resolves with what was still unread once the peer has ended or reset the connection. */
  ended(withinMs?: number): Promise<Buffer>;
  /** What has arrived and was not read, as latin1 text. */
  readonly unread: string;
  readonly isEnded: boolean;
  /** Ends it from this side; `reset` sends RST instead of FIN. */
  close(how?: "reset"): void;
}

/** The peer ended the connection before what was waited for had arrived. */
export class WireEnded extends Error {
  readonly unread: Buffer;
  constructor(unread: Buffer) {
    super(`the peer ended the connection; unread: ${JSON.stringify(unread.toString("latin1"))}`);
    this.name = "WireEnded";
    this.unread = unread;
  }
}

/** Longest that any read waits: far above a busy machine's hiccups, below the runner's limit. */
export const PATIENCE_MS = 15_000;

const opened = new AsyncLocalStorage<Set<Socket>>();

/** Runs `act` and ends whatever it has left open, as it does when it fails half way. */
export async function closingTcp<T>(act: () => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>();
  try {
    return await opened.run(sockets, act);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/** Opens a TCP connection to loopback, whose reads wait at most `patienceMs`. */
export function openTcp(port: number, patienceMs = PATIENCE_MS): Promise<Tcp> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" });
    opened.getStore()?.add(socket);
    socket.setNoDelay(true);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(wrap(socket, patienceMs));
    });
  });
}

function wrap(socket: Socket, patienceMs: number): Tcp {
  let unread = Buffer.alloc(0);
  let isEnded = false;
  let wake: () => void = () => {};
  socket.on("data", (chunk) => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
    wake();
  });
  const end = () => {
    isEnded = true;
    wake();
  };
  socket.on("end", end);
  socket.on("close", end);
  // A reset is how a hostile connection may end: the reader reports it as the end.
  socket.on("error", end);

  async function wait(found: () => number | undefined, what: string, withinMs = patienceMs) {
    const end = Date.now() + withinMs;
    for (;;) {
      const at = found();
      if (at !== undefined) return at;
      if (isEnded) throw new WireEnded(unread);
      const left = end - Date.now();
      if (left <= 0) throw new Error(`no ${what} within ${withinMs} ms; unread: ${show(unread)}`);
      await new Promise<void>((resolve) => {
        const timer = Number.isFinite(left) ? setTimeout(resolve, left) : undefined;
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  function take(count: number): Buffer {
    const bytes = unread.subarray(0, count);
    unread = unread.subarray(count);
    return bytes;
  }

  return {
    socket,
    get unread() {
      return unread.toString("latin1");
    },
    get isEnded() {
      return isEnded;
    },
    write: (bytes) => void (socket.writable && socket.write(bytes)),
    async read(count) {
      await wait(() => (unread.length >= count ? count : undefined), `${count} bytes`);
      return take(count);
    },
    async readThrough(mark) {
      const at = await wait(() => {
        const index = unread.indexOf(mark);
        return index < 0 ? undefined : index + mark.length;
      }, JSON.stringify(mark));
      return take(at);
    },
    async ended(withinMs) {
      await wait(() => (isEnded ? 0 : undefined), "end of the connection", withinMs);
      return take(unread.length);
    },
    close: (how) => void (how === "reset" ? socket.resetAndDestroy() : socket.destroy()),
  };
}

function show(bytes: Buffer): string {
  return JSON.stringify(bytes.subarray(0, 400).toString("latin1"));
}
