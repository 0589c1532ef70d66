import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";

/** What a client of Socket.IO 2 uses of its socket. */
interface OldSocket {
  on(event: string, listener: (value: unknown) => void): unknown;
  close(): void;
}

type OldConnect = (url: string, options: Readonly<Record<string, unknown>>) => OldSocket;

const WAIT_MS = 10_000;

const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": Buffer.alloc(16).toString("base64"),
};

/** Resolves with the status and body that a request of this transport is answered with. */
async function ask(url: string, transport: string): Promise<string> {
  const request = get(url, { headers: transport === "websocket" ? UPGRADE : {}, agent: false });
  request.on("upgrade", (_, socket) => socket.destroy(new Error("it was upgraded")));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return `${response.statusCode} ${await text(response)}`;
}

/** Tries socket.io-client 2 over each transport: it must get an error, and never connect. */
export async function refuse(
  io: OldConnect,
  url: string,
  print: (line: object) => void,
): Promise<void> {
  const problems: string[] = [];
  const errors: string[] = [];
  for (const transport of ["polling", "websocket"]) {
    const socket = io(url, { transports: [transport], reconnection: false, forceNew: true });
    const outcome = await new Promise<unknown>((resolve) => {
      socket.on("connect", () => resolve("connected"));
      socket.on("connect_error", resolve);
      setTimeout(() => resolve("no error"), WAIT_MS);
    });
    socket.close();
    if (outcome instanceof Error) errors.push(`${transport}: ${outcome.message}`);
    else problems.push(`${transport}: ${outcome}`);
    // The client's own message leaves out what the server has answered.
    const answer = await ask(`${url}/socket.io/?EIO=3&transport=${transport}`, transport);
    if (answer !== `400 ${JSON.stringify({ code: 5, message: "Unsupported protocol version" })}`)
      problems.push(`${transport}: ${answer}`);
  }
  const row = "refusal";
  if (problems.length > 0) print({ row, result: "fails", detail: problems.join("; ") });
  else print({ row, result: "works", reason: errors.join("; ") });
}
