import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type BadAnswer, createAnswerReader, type HttpAnswer } from "./answer-reader.ts";

/** One connection to an origin, for one request after the other. */
export interface Connection {
  /** Sends a request; it goes out once the connection stands. */
  send(request: Buffer): void;
  /** Ends it without a word more; resolves when it is gone. */
  destroy(): Promise<void>;
}

/** What a connection tells. After `lost` it tells nothing more. */
export interface ConnectionNeeds {
  answered(answer: HttpAnswer): void;
  /** Its answer cannot be read, or there is none: the connection is over. */
  lost(why: BadAnswer | "closed", code: string | undefined): void;
}

/** Opens connections to one origin. */
export type Connect = (needs: ConnectionNeeds) => Connection;

/** Bytes that are read at a time. */
const READ_BYTES = 16_384;
/** After so long without a byte the system asks whether the other side is still there. */
const KEEP_ALIVE_MS = 60_000;

/**
 * Returns what opens connections to an origin, over TLS if it says so. A connection of TLS resumes
 * the session of one before. `answerBytesMax` bounds each answer's body.
 */
export function createConnect(origin: string, answerBytesMax: number): Connect {
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  const isTls = protocol === "https:";
  const to = {
    ...{ host, port: port === "" ? (isTls ? 443 : 80) : Number(port), noDelay: true },
    ...{ keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
  };
  const names = { ALPNProtocols: ["http/1.1"], ...(isIP(host) === 0 && { servername: host }) };
  let session: Buffer | undefined;

  function open(heard: (bytes: Buffer) => void): Socket {
    if (isTls) {
      const socket = connectTls({ ...to, ...names, ...(session && { session }) });
      socket.on("session", (given: Buffer) => {
        session = given;
      });
      return socket.on("data", heard);
    }
    // Into a buffer of its own, without a stream between: that halves what an answer costs.
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const callback = (length: number) => {
      heard(buffer.subarray(0, length));
      return true;
    };
    return connectPlain({ ...to, onread: { buffer, callback } });
  }

  return (needs) => createConnection(open, answerBytesMax, needs);
}

function createConnection(
  open: (heard: (bytes: Buffer) => void) => Socket,
  answerBytesMax: number,
  needs: ConnectionNeeds,
): Connection {
  const reader = createAnswerReader(answerBytesMax);
  /** Whether an answer is expected. */
  let isAsked = false;
  let isOver = false;
  let code: string | undefined;

  function lose(why: BadAnswer | "closed"): void {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    needs.lost(why, code);
  }

  function tell(answer: HttpAnswer): void {
    isAsked = false;
    needs.answered(answer);
  }

  const socket = open((bytes) => {
    if (isOver) return;
    // What nobody has asked for must not become the answer to the next request.
    if (!isAsked) return lose("closed");
    const read = reader.read(bytes);
    if (typeof read === "object") tell(read);
    else if (read !== undefined) lose(read);
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    code ??= error.code;
  });
  socket.on("end", () => {
    const answer = isOver ? undefined : reader.end();
    if (answer) tell(answer);
    // At once: until it has closed, another request could be sent.
    else lose("closed");
  });
  const gone = new Promise<void>((resolve) => {
    socket.on("close", () => {
      lose("closed");
      resolve();
    });
  });

  return {
    send(request) {
      isAsked = true;
      socket.write(request);
    },
    destroy() {
      isOver = true;
      socket.destroy();
      return gone;
    },
  };
}
