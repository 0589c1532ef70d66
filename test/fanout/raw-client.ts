import assert from "node:assert/strict";
import { decode, encode } from "@msgpack/msgpack";
import { Agent, fetch, WebSocket } from "undici";

/** How a raw client speaks. `upgrade` starts as `polling` and can go on as a WebSocket. */
export interface Kind {
  readonly codec: "msgpack" | "json";
  readonly way: "websocket" | "polling" | "upgrade";
  readonly eio?: 3 | 4;
}

/** A decoded Socket.IO packet. */
export interface RawPacket {
  readonly type: number;
  readonly nsp: string;
  readonly id?: number;
  readonly data: unknown;
}

/**
 * A Socket.IO client of a few lines: it shows every packet in the order it came, without the
 * reordering, buffering or reconnecting of a real one, and takes a microsecond rather than a
 * millisecond for each.
 */
export interface RawClient {
  readonly kind: Kind;
  /** Whether the connection is over. */
  readonly isClosed: () => boolean;
  /** Hears every Socket.IO packet. */
  seen: (packet: RawPacket) => void;
  send(packet: RawPacket): void;
  /** Goes from polling to WebSocket. */
  upgrade(): Promise<void>;
  /** Cuts the connection without a word. */
  hangUp(): void;
}

const BINARY_EVENT = 5;

/** Opens a connection; resolves once Engine.IO's handshake is done. */
export async function openRaw(port: number, kind: Kind): Promise<RawClient> {
  const agent = new Agent({ connections: 2 });
  const eio = kind.eio ?? 4;
  const base = `127.0.0.1:${port}/socket.io/?EIO=${eio}`;
  const read = createReader((packet) => client.seen(packet));
  let closed = false;
  let sid = "";
  let ws: WebSocket | undefined;
  let stopPolling = false;
  let posting: Promise<unknown> = Promise.resolve();
  let polling: Promise<void> = Promise.resolve();
  let probed: () => void = () => {};

  const close = () => {
    closed = true;
    probed();
    void agent.destroy().catch(() => {});
  };

  function hear(message: string | Buffer): void {
    if (typeof message !== "string") {
      read(eio === 3 ? message.subarray(1) : message);
    } else if (message[0] === "4") read(message.slice(1));
    else if (message === "2") say("3");
    else if (message === "3probe") probed();
    else if (message[0] === "1") hangUp();
  }

  function say(message: string | Buffer): void {
    if (closed) return;
    if (ws && ws.readyState === WebSocket.OPEN && (kind.way === "websocket" || stopPolling)) {
      ws.send(
        typeof message !== "string" && eio === 3 ? Buffer.concat([Buffer.of(4), message]) : message,
      );
      return;
    }
    const body = typeof message === "string" ? message : `b${message.toString("base64")}`;
    posting = posting.then(() =>
      fetch(`http://${base}&transport=polling&sid=${sid}`, {
        method: "POST",
        body,
        dispatcher: agent,
      }).then(
        (res) => res.text(),
        () => {},
      ),
    );
  }

  async function pollOnce(): Promise<void> {
    const url = `http://${base}&transport=polling${sid && `&sid=${sid}`}`;
    const res = await fetch(url, { dispatcher: agent });
    if (res.status !== 200) throw new Error(`poll answered ${res.status}`);
    for (const part of (await res.text()).split("\x1e")) {
      if (part[0] === "0") sid = JSON.parse(part.slice(1)).sid;
      else hear(part[0] === "b" ? Buffer.from(part.slice(1), "base64") : part);
    }
  }

  async function poll(): Promise<void> {
    try {
      while (!closed && !stopPolling) await pollOnce();
    } catch {
      close();
    }
  }

  function openSocket(): Promise<WebSocket> {
    const made = new WebSocket(`ws://${base}&transport=websocket${sid && `&sid=${sid}`}`);
    made.binaryType = "arraybuffer";
    made.onclose = close;
    return new Promise((resolve, reject) => {
      made.onerror = () => reject(new Error("the WebSocket failed"));
      made.onopen = () => sid && resolve(made);
      made.onmessage = ({ data }) => {
        if (typeof data === "string" && data[0] === "0" && !sid) {
          sid = JSON.parse(data.slice(1)).sid;
          resolve(made);
        } else hear(typeof data === "string" ? data : Buffer.from(data));
      };
    });
  }

  function hangUp(): void {
    if (closed) return;
    ws?.close();
    close();
  }

  const client: RawClient = {
    kind,
    isClosed: () => closed,
    seen: () => {},
    send(packet) {
      if (kind.codec === "msgpack") say(Buffer.from(encode(packet)));
      else {
        const data = packet.data === undefined ? "" : JSON.stringify(packet.data);
        say(
          `4${packet.type}${packet.nsp === "/" ? "" : `${packet.nsp},`}${packet.id ?? ""}${data}`,
        );
      }
    },
    async upgrade() {
      const pong = new Promise<void>((resolve) => {
        probed = resolve;
      });
      ws = await openSocket();
      ws.send("2probe");
      await pong;
      stopPolling = true;
      await polling;
      await posting;
      if (!closed) ws.send("5");
    },
    hangUp,
  };
  if (kind.way === "websocket") ws = await openSocket();
  else {
    await pollOnce();
    polling = poll();
  }
  return client;
}

/** Returns a reader of Socket.IO packets in either codec that insists on attachments in place. */
function createReader(seen: (packet: RawPacket) => void): (frame: string | Buffer) => void {
  let waiting: { packet: RawPacket; left: number; bytes: Buffer[] } | undefined;
  return (frame) => {
    if (typeof frame !== "string") {
      if (!waiting) seen(decode(frame) as RawPacket);
      else {
        waiting.bytes.push(frame);
        if (--waiting.left > 0) return;
        const { packet, bytes } = waiting;
        waiting = undefined;
        seen({ ...packet, data: fill(packet.data, bytes) });
      }
      return;
    }
    assert.equal(waiting, undefined, "a text came between a packet and its attachments");
    const match = /^(\d)(?:(\d+)-)?(?:(\/[^,]*),)?(\d+)?(.*)$/s.exec(frame);
    assert.ok(match, `not a packet: ${frame}`);
    const [, type, attachments, nsp = "/", id, data] = match;
    const packet = {
      type: Number(type),
      nsp,
      ...(id !== undefined && { id: Number(id) }),
      data: data ? JSON.parse(data) : undefined,
    };
    if (packet.type === BINARY_EVENT) waiting = { packet, left: Number(attachments), bytes: [] };
    else seen(packet);
  };
}

function fill(data: unknown, bytes: readonly Buffer[]): unknown {
  if (Array.isArray(data)) return data.map((one) => fill(one, bytes));
  const holder = data as { _placeholder?: boolean; num?: number } | null;
  return holder?._placeholder ? bytes[holder.num ?? 0] : data;
}
