import { createHash, randomBytes } from "node:crypto";
import { formatRequest, type HttpAnswer, readAnswer } from "./wire-http.ts";
import { openTcp, type Tcp, WireEnded } from "./wire-tcp.ts";

/** WebSocket opcodes (RFC 6455, section 11.8). */
export const OP = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Four zero bytes: a legal mask, and free for the client, while the server unmasks as always. */
export const NO_MASK: Uint8Array = Buffer.alloc(4);

/** A frame to send, legal or not: every field may lie. */
export interface FrameParts {
  readonly opcode: number;
  readonly payload?: string | Uint8Array;
  readonly fin?: boolean;
  /** The three reserved bits, RSV1 being 4. */
  readonly rsv?: number;
  /** Clients must mask; false is illegal. */
  readonly masked?: boolean;
  /** Four bytes; random ones if left out. */
  readonly mask?: Uint8Array;
  /** The length the header declares, where it differs from the payload's. */
  readonly declared?: bigint;
  /** Width of the length field, where it is not the shortest: 16 or 64 bits. */
  readonly width?: 16 | 64;
}

/** A frame as received. */
export interface HeardFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly rsv: number;
  readonly payload: Buffer;
}

/** How a WebSocket ended: the close frame's code, or that there was none. */
export interface WsEnd {
  readonly code: number | "none";
  readonly reason: string;
}

/** A WebSocket spoken by hand. */
export interface Ws {
  readonly tcp: Tcp;
  readonly answer: HttpAnswer;
  /** Sends one legal frame: text for a string, binary for bytes. */
  send(message: string | Uint8Array): void;
  /** Sends one frame exactly as described. */
  frame(parts: FrameParts): void;
  /** Resolves with the next frame that is not a WebSocket ping or pong. */
  next(): Promise<HeardFrame>;
  /** Resolves when the server has ended it; data frames until then are dropped. */
  ended(): Promise<WsEnd>;
}

/** The upgrade was answered with something else than 101. */
export class UpgradeRefused extends Error {
  readonly answer: HttpAnswer;
  constructor(answer: HttpAnswer) {
    super(`the upgrade was answered with ${answer.status}: ${answer.body}`);
    this.name = "UpgradeRefused";
    this.answer = answer;
  }
}

/** Returns the bytes of a frame as described. */
export function encodeFrame(parts: FrameParts): Buffer {
  const payload = Buffer.from(parts.payload ?? "");
  const length = parts.declared ?? BigInt(payload.length);
  const masked = parts.masked ?? true;
  const first = ((parts.fin ?? true) ? 0x80 : 0) | ((parts.rsv ?? 0) << 4) | parts.opcode;
  const width = parts.width ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const head = Buffer.alloc(2 + (width === 7 ? 0 : width / 8));
  head[0] = first;
  head[1] = (masked ? 0x80 : 0) | (width === 7 ? Number(length) : width === 16 ? 126 : 127);
  if (width === 16) head.writeUInt16BE(Number(length), 2);
  if (width === 64) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = parts.mask ?? randomBytes(4);
  if (mask !== NO_MASK) {
    for (const [at, byte] of payload.entries()) payload[at] = byte ^ (mask[at & 3] ?? 0);
  }
  return Buffer.concat([head, mask, payload]);
}

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** Returns the `sec-websocket-accept` that answers a key (RFC 6455, 4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

/** Returns the bytes of an upgrade request; `headers` replace or add to the proper ones. */
export function formatUpgrade(
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  return formatRequest({
    path,
    headers: {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-key": KEY,
      "sec-websocket-version": "13",
      ...headers,
    },
  });
}

/** Opens a WebSocket; rejects with {@link UpgradeRefused} if the server does not switch. */
export async function openWs(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Ws> {
  const tcp = await openTcp(port);
  tcp.write(formatUpgrade(path, headers));
  return await takeWs(tcp);
}

/** Reads the answer to an upgrade request that was already sent. */
export async function takeWs(tcp: Tcp): Promise<Ws> {
  const answer = await readAnswer(tcp);
  if (answer.status !== 101) {
    tcp.close();
    throw new UpgradeRefused(answer);
  }
  if (answer.headers["sec-websocket-accept"] !== acceptOf(KEY)) throw new Error("wrong accept key");
  return wrapWs(tcp, answer);
}

function wrapWs(tcp: Tcp, answer: HttpAnswer): Ws {
  const frame = (parts: FrameParts) => tcp.write(encodeFrame(parts));

  async function next(): Promise<HeardFrame> {
    for (;;) {
      const heard = await readFrame(tcp);
      if (heard.opcode === OP.ping) frame({ opcode: OP.pong, payload: heard.payload });
      else if (heard.opcode === OP.close) {
        // The closing handshake: without the echo a server waits for it, some for half a minute.
        frame({ opcode: OP.close, payload: heard.payload.subarray(0, 2) });
        tcp.socket.end();
        return heard;
      } else if (heard.opcode !== OP.pong) return heard;
    }
  }

  return {
    tcp,
    answer,
    frame,
    next,
    send: (message) =>
      frame({ opcode: typeof message === "string" ? OP.text : OP.binary, payload: message }),
    async ended() {
      try {
        for (;;) {
          const heard = await next();
          if (heard.opcode !== OP.close) continue;
          const code = heard.payload.length >= 2 ? heard.payload.readUInt16BE(0) : 1005;
          return { code, reason: heard.payload.subarray(2).toString() };
        }
      } catch (error) {
        if (error instanceof WireEnded) return { code: "none", reason: "" };
        throw error;
      }
    },
  };
}

async function readFrame(tcp: Tcp): Promise<HeardFrame> {
  const [first = 0, second = 0] = await tcp.read(2);
  let length = second & 0x7f;
  if (length === 126) length = (await tcp.read(2)).readUInt16BE(0);
  else if (length === 127) length = Number((await tcp.read(8)).readBigUInt64BE(0));
  if (second & 0x80) throw new Error("the server masked a frame");
  const payload = await tcp.read(length);
  return { opcode: first & 0x0f, fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, payload };
}
