import type { CodecName, Packet } from "../../src/core/packet.ts";
import { formatRequest, type HttpAnswer, readAnswer } from "./wire-http.ts";
import { createSpeech, type EnginePacket } from "./wire-speech.ts";
import { openTcp, type Tcp, WireEnded } from "./wire-tcp.ts";
import { formatUpgrade, OP, takeWs, type Ws } from "./wire-ws.ts";

/** How a session travels; "upgraded" began as polling and went to WebSocket. */
export type WireTransport = "polling" | "websocket" | "upgraded";

/** An Engine.IO session spoken by hand. Server pings are answered unless `mute`. */
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
  /** Goes from polling to WebSocket as clients do: probe, drain the poll, "5". */
  upgrade(): Promise<void>;
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
  /** The protocol's version. 3 is spoken over WebSocket only, and is never pinged by a server. */
  readonly eio?: 3 | 4;
  /** Longest that `next` waits; without it, what any read of a test may take. */
  readonly patienceMs?: number;
}

/** Opens an Engine.IO session over a transport. */
export async function openSession(
  port: number,
  transport: WireTransport,
  options: SessionOptions = {},
): Promise<Session> {
  if (transport === "websocket") return await openWsSession(port, options);
  const session = await openPollingSession(port, options);
  if (transport === "upgraded") await session.upgrade();
  return session;
}

/** The path of an Engine.IO request. */
export function enginePath(query: string, eio = 4): string {
  return `/socket.io/?EIO=${eio}&${query}`;
}

async function openWsSession(port: number, options: SessionOptions): Promise<Session> {
  const path = enginePath(`transport=websocket${options.query ?? ""}`, options.eio);
  const ws = await switchTo(port, path, options);
  const open = readOpen((await ws.next()).payload.toString());
  return wsSession({ port, ws, path, open, options });
}

async function switchTo(port: number, path: string, options: SessionOptions): Promise<Ws> {
  const tcp = await openTcp(port, options.patienceMs);
  tcp.write(formatUpgrade(path, options.headers));
  return await takeWs(tcp);
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
  readonly options: SessionOptions;
}

function wsSession({ port, ws, path, open, options }: WsSessionParts): Session {
  const isOld = options.eio === 3;

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
      // Engine.IO 3 begins binary messages with their type.
      const bytes = isOld ? frame.payload.subarray(1) : frame.payload;
      const packet = frame.opcode === OP.text ? frame.payload.toString() : bytes;
      if (packet !== "2" || options.mute) return packet;
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
      for (const packet of packets) {
        const typed = isOld && typeof packet !== "string";
        ws.send(typed ? Buffer.concat([Buffer.of(4), packet]) : packet);
      }
    },
    ended: () => untilEnded(next),
    async upgrade() {},
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
  const poll = await openTcp(port, options.patienceMs);
  const post = await openTcp(port, options.patienceMs);
  const base = enginePath(`transport=polling${options.query ?? ""}`);
  const headers = options.headers ?? {};
  const first = await exchange(poll, { path: base, headers });
  if (first.status !== 200) throw new SessionEnded({ answer: first });
  const [opening = "", ...early] = first.body.split("\x1e");
  const queue = early.map(fromPayload);
  const open = readOpen(opening);
  const path = `${base}&sid=${open.sid}`;
  let polled: Promise<unknown> = Promise.resolve();
  let posted: Promise<unknown> = Promise.resolve();
  /** The WebSocket's session, from the answer to the probe on. */
  let upgraded: Promise<Session> | undefined;
  let over: Session | undefined;

  async function send(...packets: EnginePacket[]): Promise<void> {
    if (upgraded) return await (await upgraded).send(...packets);
    const body = packets.map(toPayload).join("\x1e");
    const type = { "content-type": "text/plain;charset=UTF-8", ...headers };
    const ask = { method: "POST", path, headers: type, body };
    // One after another, as clients do: an answer is read by whoever asked.
    const answered = posted.then(() => exchange(post, ask));
    posted = answered;
    const answer = await answered;
    if (answer.status !== 200) throw new SessionEnded({ answer });
  }

  async function next(): Promise<EnginePacket> {
    for (;;) {
      const packet = queue.shift();
      if (packet === "2" && options.mute !== true) await send("3");
      else if (packet !== undefined) return packet;
      if (queue.length > 0) continue;
      if (upgraded) return await (await upgraded).next();
      const asked = exchange(poll, { path, headers });
      polled = asked;
      const answer = await asked;
      if (answer.status !== 200) throw new SessionEnded({ answer });
      queue.push(...answer.body.split("\x1e").map(fromPayload));
    }
  }

  async function upgrade(): Promise<void> {
    const wsPath = enginePath(`transport=websocket&sid=${open.sid}${options.query ?? ""}`);
    const ws = await switchTo(port, wsPath, options);
    ws.send("2probe");
    const answer = (await ws.next()).payload.toString();
    if (answer !== "3probe") throw new Error(`the probe was answered with ${answer}`);
    upgraded = (async () => {
      await Promise.all([polled, posted]);
      ws.send("5");
      poll.close();
      post.close();
      over = wsSession({ port, ws, path: wsPath, open, options });
      return over;
    })();
    await upgraded;
  }

  return {
    port,
    open,
    get path() {
      return over?.path ?? path;
    },
    get ws() {
      return over?.ws;
    },
    sid: String(open.sid),
    send,
    next,
    ended: () => untilEnded(next),
    upgrade,
    close(how) {
      poll.close(how);
      post.close(how);
      over?.close(how);
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
      // The answer to a CONNECT has the id; Engine.IO 3 has none in it.
      if (packet?.type === 0) id = (packet.data as { sid: string } | undefined)?.sid ?? "";
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
