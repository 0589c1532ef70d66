import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { CONNECT_COMMAND, eachLine, PONG_COMMAND, readReply } from "../wire/centrifugo.ts";
import { makeUpgrade, readUpgradeAnswer, type Target } from "../wire/handshake.ts";
import {
  type Codec,
  connectFrame,
  makeFrame,
  PONG_FRAME,
  type Protocol,
  readSignal,
  type Signal,
} from "../wire/packets.ts";
import { createScanner } from "../wire/scanner.ts";
import { createOrder, type Order } from "./order.ts";

/** What a client is there for. */
export type Role = "member" | "sender" | "excluded";

/** Whom to believe that a server is who it should be; false speaks without TLS. */
export type Tls = false | { readonly insecure: boolean; readonly ca: string | undefined };

/** How a client connects. */
export interface ClientOptions {
  readonly target: Target;
  readonly codec: Codec;
  /** Socket.IO unless said otherwise. */
  readonly protocol?: Protocol | undefined;
  readonly namespace: string;
  readonly auth: unknown;
  readonly tls: Tls;
  readonly role: Role;
  /** One of 127.0.0.x, so that more connections fit than one address has ports. */
  readonly localAddress: string | undefined;
}

/** One connection of the generator. */
export interface Client {
  readonly role: Role;
  readonly order: Order;
  state: "connecting" | "joined" | "closed";
  /** Why it closed, for the report. */
  reason: string;
  /** Whether a scenario stopped its reading on purpose. */
  stalled: boolean;
  /** When its handshake began, and its place in the plan of its fleet. */
  startedUs: number;
  index: number;
  send(frame: Buffer): void;
  /** Stops or resumes reading from the socket; what has arrived meanwhile is read at once. */
  read(on: boolean): void;
  /** Drops the TCP connection without a close frame, as a dying network does. */
  drop(): void;
}

/** What all clients of a generator share. */
export interface Hub {
  /** All sockets read into this one buffer: nothing is allocated per read. */
  readonly buffer: Buffer;
  /** A read of `bytes` begins. */
  seenRead(bytes: number): void;
  /** A message with a possible marker; false if it was none, so that it is read as a packet. */
  take(client: Client, message: Buffer, start: number, end: number): boolean;
  joined(client: Client, id: string): void;
  closed(client: Client): void;
}

const FOUR = 0x34;
const TWO = 0x32;

/** Opens a connection and begins the handshakes of WebSocket and of its protocol. */
export function createClient(options: ClientOptions, hub: Hub): Client {
  const upgrade = makeUpgrade(options.target);
  const isCentrifugo = options.protocol === "centrifugo";
  const scanner = createScanner(onMessage);
  let head: Buffer | undefined = Buffer.alloc(0);
  const client: Client = {
    role: options.role,
    order: createOrder(),
    state: "connecting",
    reason: "",
    stalled: false,
    startedUs: 0,
    index: 0,
    send: (frame) => void socket.write(frame),
    read(on) {
      if (on) socket.resume();
      else socket.pause();
    },
    drop: () => finish("dropped by the generator"),
  };
  const socket = openSocket(options, hub, onBytes);
  socket.setNoDelay(true);
  socket.on(options.tls ? "secureConnect" : "connect", () => socket.write(upgrade.request));
  socket.on("error", (error) => finish(error.message));
  socket.on("close", () => finish("closed by the server"));

  function onBytes(chunk: Buffer, length: number): void {
    hub.seenRead(length);
    try {
      if (head === undefined) scanner.push(chunk, length);
      else onHead(Buffer.concat([head, chunk.subarray(0, length)]));
    } catch (error) {
      finish(error instanceof Error ? error.message : String(error));
    }
  }

  function onHead(bytes: Buffer): void {
    const used = readUpgradeAnswer(bytes, upgrade.accept);
    head = used === 0 ? bytes : undefined;
    if (used > 0 && isCentrifugo) client.send(CONNECT_COMMAND);
    if (used > 0 && used < bytes.length) scanner.push(bytes.subarray(used), bytes.length - used);
  }

  function onMessage(opcode: number, bytes: Buffer, start: number, end: number): void {
    if (isCentrifugo && opcode === 1) eachLine(bytes, { start, end }, onReply);
    else if (mayBeEvent(opcode, bytes, start) && hub.take(client, bytes, start, end)) return;
    else if (opcode === 9) client.send(makeFrame(10, bytes.subarray(start, end)));
    else if (opcode === 8) finish(`closed by the server with ${readCloseCode(bytes, start, end)}`);
    else if (opcode <= 2)
      onSignal(readSignal(opcode, Buffer.from(bytes.subarray(start, end))), PONG_FRAME);
  }

  function onReply(bytes: Buffer, start: number, end: number): void {
    if (hub.take(client, bytes, start, end)) return;
    onSignal(readReply(bytes.toString("utf8", start, end)), PONG_COMMAND);
  }

  function onSignal(signal: Signal, pong: Buffer): void {
    if (signal.is === "ping") client.send(pong);
    else if (signal.is === "open")
      client.send(connectFrame(options.codec, options.namespace, options.auth));
    else if (signal.is === "refused") finish(`refused: ${signal.why}`);
    else if (signal.is === "left") finish("disconnected by the server");
    else if (signal.is === "joined" && client.state === "connecting") {
      client.state = "joined";
      hub.joined(client, signal.id);
    }
  }

  function finish(reason: string): void {
    if (client.state === "closed") return;
    client.state = "closed";
    client.reason = reason;
    socket.destroy();
    hub.closed(client);
  }
  return client;
}

/** 42 and 43 are EVENT and ACK; every binary message may be one of msgpack's. */
function mayBeEvent(opcode: number, bytes: Buffer, start: number): boolean {
  if (opcode === 2) return true;
  return opcode === 1 && bytes[start] === FOUR && (bytes[start + 1] ?? 0) >= TWO;
}

function readCloseCode(bytes: Buffer, start: number, end: number): number {
  return end - start >= 2 ? bytes.readUInt16BE(start) : 1005;
}

function openSocket(
  options: ClientOptions,
  hub: Hub,
  onBytes: (chunk: Buffer, length: number) => void,
): Socket {
  const { host, port } = options.target;
  if (options.tls) {
    const { insecure, ca } = options.tls;
    const socket = connectTls({
      ...{ host, port, rejectUnauthorized: !insecure },
      ...(ca === undefined ? {} : { ca }),
      // A name to be served by is a name: RFC 6066 forbids addresses.
      ...(isIP(host) ? {} : { servername: host }),
    });
    return socket.on("data", (chunk: Buffer) => onBytes(chunk, chunk.length));
  }
  return connectTcp({
    host,
    port,
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    onread: {
      buffer: hub.buffer,
      callback: (length) => {
        onBytes(hub.buffer, length);
        return true;
      },
    },
  });
}
