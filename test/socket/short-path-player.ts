import type { CodecName, Packet } from "../../src/core/packet.ts";
import { openSession, type Session, SessionEnded } from "../harness/wire-io.ts";
import { createSpeech } from "../harness/wire-speech.ts";
import { encodeFrame, OP } from "../harness/wire-ws.ts";

/** One thing that a client does. */
export type Action =
  | {
      readonly do: "event";
      readonly name: string;
      readonly args: readonly unknown[];
      readonly acked: boolean;
      readonly namespace: string;
    }
  | { readonly do: "toggle"; readonly what: string }
  | { readonly do: "reply"; readonly args: readonly unknown[] }
  | { readonly do: "join" }
  | { readonly do: "part"; readonly namespace: string }
  | { readonly do: "raw"; readonly frame: string | Buffer };

/** What a play led to. */
export interface Play {
  /** What the client heard, and how it ended. */
  readonly heard: readonly string[];
  /** What the application noted. */
  readonly trace: readonly string[];
}

/** What one play of a client knows. */
interface Player {
  readonly session: Session;
  readonly speech: ReturnType<typeof createSpeech>;
  readonly heard: string[];
  /** Ids of the server's events that wait for an ack. */
  readonly questions: number[];
  lastId: number;
}

/**
 * Connects, then writes the messages of each chunk at once and waits until the server has read
 * them. Returns what the client heard.
 */
export async function playWire(
  port: number,
  codec: CodecName,
  chunks: readonly (readonly Action[])[],
): Promise<readonly string[]> {
  const session = await openSession(port, "websocket");
  const speech = createSpeech(codec);
  const player: Player = { session, speech, heard: [], questions: [], lastId: 0 };
  try {
    write(player, speech.say({ type: 0, nsp: "/" }));
    while ((await hear(player))?.type !== 0);
    for (const chunk of chunks) await playChunk(player, chunk);
    session.close();
  } catch (error) {
    if (!(error instanceof SessionEnded)) throw error;
    player.heard.push(`end ${error.code}`);
    session.close();
  }
  return player.heard;
}

async function playChunk(player: Player, chunk: readonly Action[]): Promise<void> {
  const id = ++player.lastId;
  const sync = player.speech.say({ type: 2, nsp: "/", data: ["sync"], id });
  write(player, [...chunk.flatMap((action) => speak(player, action)), ...sync]);
  for (;;) {
    const packet = await hear(player);
    if (packet?.type === 3 && packet.id === id) return;
  }
}

/** Returns the Engine.IO messages of an action. */
function speak(player: Player, action: Action): readonly (string | Buffer)[] {
  const { say } = player.speech;
  switch (action.do) {
    case "event": {
      const { namespace: nsp, name, args, acked } = action;
      const id = acked ? ++player.lastId : undefined;
      return say({ type: 2, nsp, data: [name, ...args], ...(acked && { id }) });
    }
    case "toggle":
      return say({ type: 2, nsp: "/", data: ["toggle", action.what] });
    case "reply":
      return say({
        type: 3,
        nsp: "/",
        data: [...action.args],
        id: player.questions.shift() ?? 1_000_000,
      });
    case "join":
      return say({ type: 0, nsp: "/other" });
    case "part":
      return say({ type: 1, nsp: action.namespace });
    case "raw":
      return [action.frame];
  }
}

function write({ session }: Player, messages: readonly (string | Buffer)[]): void {
  const frames = messages.map((payload) =>
    encodeFrame({ opcode: typeof payload === "string" ? OP.text : OP.binary, payload }),
  );
  session.ws?.tcp.write(Buffer.concat(frames));
}

async function hear(player: Player): Promise<Packet | undefined> {
  const message = await player.session.next();
  const packet = player.speech.hear(message);
  if (packet?.type === 2 && packet.id !== undefined) player.questions.push(packet.id);
  player.heard.push(describe(message, packet));
  return packet;
}

/** Describes a packet without ids of sockets and events, which two servers choose differently. */
function describe(message: string | Buffer, packet: Packet | undefined): string {
  if (!packet) return typeof message === "string" ? message : message.toString("hex");
  const { type, nsp, data, id } = packet;
  if (type === 0) return `connected to ${nsp}`;
  return JSON.stringify({ type, nsp, data, id: type === 3 ? id : id !== undefined });
}
