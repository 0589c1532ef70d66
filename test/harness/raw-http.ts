import { connect, type Socket } from "node:net";
import { until } from "./wait.ts";

/** A TCP connection on which requests are written byte by byte as the test likes. */
export interface RawHttp {
  readonly socket: Socket;
  /** Everything received so far. */
  readonly received: string;
  readonly closed: boolean;
  write(text: string | Buffer): void;
  /** Resolves with the first `count` answers once they have arrived. */
  answers(count: number): Promise<RawAnswer[]>;
  close(): void;
}

/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Connects to a port of this machine. `head` answers to HEAD requests have no body to wait for. */
export async function openRaw(port: number, options: { head?: boolean } = {}): Promise<RawHttp> {
  const socket = connect(port, "127.0.0.1");
  let received = "";
  let closed = false;
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    received += text;
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
  });
  await until(() => !socket.connecting, "the connection opens");
  return {
    socket,
    get received() {
      return received;
    },
    get closed() {
      return closed;
    },
    write: (text) => void socket.write(text),
    async answers(count) {
      const read = () => splitAnswers(received, options.head === true);
      await until(() => read().length >= count, `${count} answers, got: ${received}`);
      return read();
    },
    close: () => socket.destroy(),
  };
}

function splitAnswers(text: string, head: boolean): RawAnswer[] {
  const found: RawAnswer[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) return found;
    const [line = "", ...fields] = rest.slice(0, end).split("\r\n");
    const headers = Object.fromEntries(
      fields.map((field) => {
        const colon = field.indexOf(":");
        return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
      }),
    );
    const length = head ? 0 : Number(headers["content-length"] ?? 0);
    if (rest.length < end + 4 + length) return found;
    const body = rest.slice(end + 4, end + 4 + length);
    found.push({ status: Number(line.split(" ")[1]), headers, body });
    rest = rest.slice(end + 4 + length);
  }
}
