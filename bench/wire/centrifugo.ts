import { makeFrame, type Signal } from "./packets.ts";

/**
 * As much of Centrifugo's client protocol, in JSON, as the generator speaks: commands with an `id`
 * and their replies, publications, and pings, which are empty objects. A server may put several
 * messages into one frame, a line each.
 */
const TEXT = 1;

const NEWLINE = 0x0a;

/** The first command of a connection. Its query tells the server what to subscribe it to. */
export const CONNECT_COMMAND = makeFrame(TEXT, '{"id":1,"connect":{}}');

/** The answer to a ping. */
export const PONG_COMMAND = makeFrame(TEXT, "{}");

/** A call whose reply brings the body back; the body has no character that JSON escapes. */
export function rpcFrame(id: number, body: string): Buffer {
  return makeFrame(TEXT, `{"id":${id},"rpc":{"method":"e","data":"${body}"}}`);
}

/** Calls `take` for each message of a frame. */
export function eachLine(
  bytes: Buffer,
  { start, end }: { start: number; end: number },
  take: (bytes: Buffer, start: number, end: number) => void,
): void {
  for (let at = start; at < end; ) {
    const newline = bytes.indexOf(NEWLINE, at);
    const lineEnd = newline < 0 || newline > end ? end : newline;
    if (lineEnd > at) take(bytes, at, lineEnd);
    at = lineEnd + 1;
  }
}

/** Reads a message that carries none of the load. */
export function readReply(text: string): Signal {
  if (text === "{}") return { is: "ping" };
  const { connect, error, push } = JSON.parse(text) as {
    connect?: { client?: unknown };
    error?: unknown;
    push?: { disconnect?: unknown };
  }; // the fields of the protocol's Reply
  if (error !== undefined) return { is: "refused", why: JSON.stringify(error) };
  if (connect !== undefined) return { is: "joined", id: String(connect.client ?? "") };
  return push?.disconnect === undefined ? { is: "other" } : { is: "left" };
}
