import type { CodecName, Packet } from "../../src/core/packet.ts";
import { formatRequest, type HttpAnswer, readAnswer } from "./wire-http.ts";
import { createSpeech, type EnginePacket } from "./wire-speech.ts";
import { openTcp, type Tcp, WireEnded } from "./wire-tcp.ts";
import { OP, openWs, type Ws } from "./wire-ws.ts";

/** How a session travels; "upgraded" began as polling and went to WebSocket. */
export type WireTransport = "polling" | "websocket" | "upgraded";

/** An Engine.IO 4 session spoken by hand. Server pings are answered unless `mute`. */
export interface Session {
  readonly port: number;
  readonly sid: string;
  readonly open: Readonly<Record<string, unknown>>;
  readonly path: string;
  /** Its WebSocket, while it has one. */
  readonly ws: Ws | undefined;
  send(...packets: EnginePacket[]): Promise<void>;
  /** Resolves with the next packet; rejects with {@link SessionEnded} when there will be none. */
  next(): Promise<EnginePacket>;
  /** Resolves once the server has ended the session; packets until then are dropped. */
  ended(): Promise<SessionEnded>;
  close(how?: "reset"): void;
}

/** The session is over; `answer` is the poll's last answer, `code` the WebSocket's close code. */
export class SessionEnded extends Error {
  readonly answer: HttpAnswer | undefined;
  readonly code: number | "none" | undefined;
  constructor(how: { answer?: HttpAnswer; code?: number | "none" }) {
    super(`the session ended: ${how.answer ? `poll answered ${how.answer.status}` : how.code}`);
    this.name = "SessionEnded";
    this.answer = how.answer;
    this.code = how.code;
  }
}

/** What a session may be opened with besides the defaults. */
export interface SessionOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
  /** Leaves server pings unanswered and hands them to `next`. */
  readonly mute?: boolean;
}

/** Opens an Engine.IO session over a transport. */
export async function openSession(
  port: number,
  transport: WireTransport,
  options: SessionOptions = {},
): Promise<Session> {
  if (transport === "websocket") return await openWsSession(port, options);
  const polling = await openPollingSession(port, options);
  return transport === "polling" ? polling : await upgrade(polling, options);
}

/** The path of an Engine.IO request. */
export function enginePath(query: string): string {
  return `/socket.io/?EIO=4&${query}`;
}

async function openWsSession(port: number, options: SessionOptions): Promise<Session> {
  const path = enginePath(`transport=websocket${options.query ?? ""}`);
  const ws = await openWs(port, path, options.headers);
  const first = (await ws.next()).payload.toString();
  return wsSession({ port, ws, path, open: readOpen(first), mute: options.mute === true });
}

function readOpen(packet: string): Record<string, unknown> {
  if (packet[0] !== "0") throw new Error(`not an open packet: ${packet}`);
  return JSON.parse(packet.slice(1)) as Record<string, unknown>; // the open packet is an object
}

interface WsSessionParts {
  readonly port: number;
  readonly ws: Ws;
  readonly path: string;
  readonly open: Record<string, unknown>;
  readonly mute: boolean;
}

function wsSession({ port, ws, path, open, mute }: WsSessionParts): Session {
  async function next(): Promise<EnginePacket> {
    for (;;) {
      const frame = await ws.next().catch((error: unknown) => {
        if (error instanceof WireEnded) throw new SessionEnded({ code: "none" });
        throw error;
      });
      if (frame.opcode === OP.close) {
        const code = frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005;
        throw new SessionEnded({ code });
      }
      const packet = frame.opcode === OP.text ? frame.payload.toString() : frame.payload;
      if (packet !== "2" || mute) return packet;
      ws.send("3");
    }
  }
  return {
    port,
    open,
    path,
    ws,
    sid: String(open.sid),
    next,
    async send(...packets) {
      for (const packet of packets) ws.send(packet);
    },
    ended: () => untilEnded(next),
    close: (how) => ws.tcp.close(how),
  };
}

async function untilEnded(next: () => Promise<unknown>): Promise<SessionEnded> {
  try {
    for (;;) await next();
  } catch (error) {
    if (error instanceof SessionEnded) return error;
    throw error;
  }
}

async function openPollingSession(port: number, options: SessionOptions): Promise<Session> {
  const poll = await openTcp(port);
  const post = await openTcp(port);
  const base = enginePath(`transport=polling${options.query ?? ""}`);
  const headers = options.headers ?? {};
  const first = await exchange(poll, { path: base, headers });
  if (first.status !== 200) throw new SessionEnded({ answer: first });
  const [opening = "", ...early] = first.body.split("\x1e");
  const queue = early.map(fromPayload);
  const open = readOpen(opening);
  const path = `${base}&sid=${open.sid}`;

  async function send(...packets: EnginePacket[]): Promise<void> {
    const body = packets.map(toPayload).join("\x1e");
    const type = "text/plain;charset=UTF-8";
    const answer = await exchange(post, {
      method: "POST",
      path,
      headers: { "content-type": type, ...headers },
      body,
    });
    if (answer.status !== 200) throw new SessionEnded({ answer });
  }

  async function next(): Promise<EnginePacket> {
    for (;;) {
      const packet = queue.shift();
      if (packet === "2" && options.mute !== true) await send("3");
      else if (packet !== undefined) return packet;
      if (queue.length > 0) continue;
      const answer = await exchange(poll, { path, headers });
      if (answer.status !== 200) throw new SessionEnded({ answer });
      queue.push(...answer.body.split("\x1e").map(fromPayload));
    }
  }

  return {
    port,
    open,
    path,
    ws: undefined,
    sid: String(open.sid),
    send,
    next,
    ended: () => untilEnded(next),
    close(how) {
      poll.close(how);
      post.close(how);
    },
  };
}

async function exchange(tcp: Tcp, ask: Parameters<typeof formatRequest>[0]): Promise<HttpAnswer> {
  tcp.write(formatRequest(ask));
  try {
    return await readAnswer(tcp, ask.method);
  } catch (error) {
    if (error instanceof WireEnded) throw new SessionEnded({ code: "none" });
    throw error;
  }
}

function fromPayload(text: string): EnginePacket {
  return text[0] === "b" ? Buffer.from(text.slice(1), "base64") : text;
}

function toPayload(packet: EnginePacket): string {
  return typeof packet === "string" ? packet : `b${packet.toString("base64")}`;
}

/** Upgrades a polling session as clients do: probe, drain the poll, "5". */
async function upgrade(polling: Session, options: SessionOptions): Promise<Session> {
  const path = enginePath(`transport=websocket&sid=${polling.sid}${options.query ?? ""}`);
  const ws = await openWs(polling.port, path, options.headers);
  ws.send("2probe");
  const answer = (await ws.next()).payload.toString();
  if (answer !== "3probe") throw new Error(`the probe was answered with ${answer}`);
  ws.send("5");
  polling.close();
  const { port, open } = polling;
  return wsSession({ port, ws, path, open: { ...open }, mute: options.mute === true });
}

/** A Socket.IO client spoken by hand. */
export interface WireClient {
  readonly session: Session;
  /** The socket's id, once it was heard in the answer to a CONNECT. */
  readonly id: string;
  say(packet: Packet): Promise<void>;
  /** Resolves with the next Socket.IO packet. */
  hear(): Promise<Packet>;
  /** Emits with an ack id and resolves with the ack's arguments; other packets are dropped. */
  ask(event: string, ...args: unknown[]): Promise<unknown[]>;
  close(how?: "reset"): void;
}

/** Speaks Socket.IO over a session. */
export function speak(session: Session, codec: CodecName): WireClient {
  const speech = createSpeech(codec);
  let lastId = 0;
  let id = "";
  const say = (packet: Packet) => session.send(...speech.say(packet));
  async function hear(): Promise<Packet> {
    for (;;) {
      const packet = speech.hear(await session.next());
      if (packet?.type === 0) id = (packet.data as { sid: string }).sid; // CONNECT's answer
      if (packet) return packet;
    }
  }
  return {
    session,
    get id() {
      return id;
    },
    say,
    hear,
    async ask(event, ...args) {
      lastId += 1;
      const asked = lastId;
      await say({ type: 2, nsp: "/", id: asked, data: [event, ...args] });
      for (;;) {
        const packet = await hear();
        if (packet.type === 3 && packet.id === asked) return packet.data as unknown[]; // acks are arrays
      }
    },
    close: (how) => session.close(how),
  };
}

/** Opens a session, joins a namespace and resolves once the server has agreed. */
export async function openClient(
  port: number,
  transport: WireTransport,
  codec: CodecName,
  nsp = "/",
): Promise<WireClient> {
  const client = speak(await openSession(port, transport), codec);
  await client.say({ type: 0, nsp });
  const answer = await client.hear();
  if (answer.type !== 0) throw new Error(`CONNECT was answered with ${JSON.stringify(answer)}`);
  return client;
}
