import assert from "node:assert/strict";
import type { Socket } from "socket.io";
import type { CodecName, Packet } from "../../src/core/packet.ts";
import { until } from "../harness/wait.ts";
import { openSession, SessionEnded, speak } from "../harness/wire-io.ts";
import type { Rig } from "./rig.ts";

/** How a raw client speaks. `upgrade` starts as `polling` and can go on as a WebSocket. */
export interface Kind {
  readonly codec: CodecName;
  readonly way: "websocket" | "polling" | "upgrade";
  readonly eio?: 3 | 4;
}

/** A client that shows every packet in the order it came, and neither buffers nor reconnects. */
export interface RawClient {
  readonly kind: Kind;
  /** Whether the connection is over. */
  readonly isClosed: () => boolean;
  /** Hears every Socket.IO packet. */
  seen: (packet: Packet) => void;
  send(packet: Packet): void;
  /** Goes from polling to WebSocket. */
  upgrade(): Promise<void>;
  /** Cuts the connection without a word. */
  hangUp(): void;
}

/** Opens a connection; resolves once Engine.IO's handshake is done. */
export async function openRaw(port: number, kind: Kind): Promise<RawClient> {
  const transport = kind.way === "websocket" ? "websocket" : "polling";
  const options = { patienceMs: Number.POSITIVE_INFINITY, eio: kind.eio ?? 4 };
  const session = await openSession(port, transport, options);
  const { say, hear } = speak(session, kind.codec);
  let closed = false;
  const end = (error: unknown): void => {
    closed = true;
    session.close();
    if (!(error instanceof SessionEnded)) throw error;
  };
  const client: RawClient = {
    kind,
    isClosed: () => closed,
    seen: () => {},
    send: (packet) => void say(packet).catch(end),
    upgrade: () => session.upgrade(),
    hangUp() {
      closed = true;
      session.close();
    },
  };
  const listen = async (): Promise<void> => {
    for (;;) {
      const packet = await hear();
      client.seen(packet);
    }
  };
  void listen().catch(end);
  return client;
}

/** Some raw clients of one namespace, in the order of their kinds. */
export interface Company {
  readonly clients: readonly RawClient[];
  readonly sockets: readonly Socket[];
  /** The arguments of each client's `m` events, in the order they came. */
  readonly inboxes: readonly unknown[][];
  /** Resolves when every client that is still there has got everything sent to it by now. */
  settled(): Promise<void>;
}

let marks = 0;

/** Connects raw clients, which join the main namespace; other events than `m` are ignored. */
export async function connectAll(rig: Rig, kinds: readonly Kind[]): Promise<Company> {
  const inboxes: unknown[][] = kinds.map(() => []);
  const ends = kinds.map(() => 0);
  const sockets: Socket[] = [];
  const clients: RawClient[] = [];
  for (const [i, kind] of kinds.entries()) {
    const client = await openRaw(rig.port, kind);
    clients.push(client);
    client.seen = ({ type, data, nsp }) => {
      if ((type !== 2 && type !== 5) || nsp !== "/") return;
      const [event, ...args] = data as [string, ...unknown[]];
      if (event === "m") inboxes[i]?.push(args);
      if (event === "end") ends[i] = args[0] as number;
    };
    const connected = new Promise<Socket>((resolve) => rig.io.once("connection", resolve));
    if (kind.eio !== 3) client.send({ type: 0, nsp: "/", data: {} });
    sockets.push(
      kind.eio === 3
        ? ([...rig.io.sockets.sockets.values()].at(-1) ?? assert.fail("no socket"))
        : await connected,
    );
  }
  return {
    clients,
    sockets,
    inboxes,
    async settled() {
      const mark = ++marks;
      const here = sockets.map((socket) => socket.connected);
      for (const socket of sockets) if (socket.connected) socket.emit("end", mark);
      await until(() => ends.every((end, i) => end === mark || !here[i]), "every client's mark");
    },
  };
}
