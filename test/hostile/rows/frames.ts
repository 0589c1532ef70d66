import assert from "node:assert/strict";
import { loadNative } from "../../../src/host/native.ts";
import { openClient, type WireClient } from "../../harness/wire-io.ts";
import { encodeFrame, type FrameParts, OP, type Ws } from "../../harness/wire-ws.ts";
import { closed, type Row } from "../row.ts";

/** Largest packet of the gateway that these rows are written for. */
export const FRAME_BYTES_MAX = 65_536;

/** A text frame. */
export const text = (payload: string | Uint8Array, more: Partial<FrameParts> = {}): FrameParts => ({
  opcode: OP.text,
  payload,
  ...more,
});
/** A close frame of that code. */
export const closing = (code: number, reason: string | Uint8Array = ""): FrameParts => {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return { opcode: OP.close, payload: Buffer.concat([head, Buffer.from(reason)]) };
};
const badUtf8 = Buffer.from([0x34, 0x32, 0xce, 0xba, 0xe1, 0xbd, 0xb9, 0xed, 0xa0, 0x80]);

/** Autobahn test suite cases (its ids) and RFC 6455 sections: frames that must end the connection. */
const ILLEGAL: readonly (readonly [string, string, ...FrameParts[]])[] = [
  ["Autobahn 2.5", "a ping of 126 bytes", { opcode: OP.ping, payload: "x".repeat(126) }],
  ["Autobahn 3.1", "RSV3 set", text("2", { rsv: 1 })],
  ["Autobahn 3.2", "RSV2 set", text("2", { rsv: 2 })],
  ["Autobahn 3.3", "RSV2 and RSV3 set", text("2", { rsv: 3 })],
  ["Autobahn 3.4", "RSV1 set without compression", text("2", { rsv: 4 })],
  ["Autobahn 3.5", "RSV on a binary frame", { opcode: OP.binary, payload: "x", rsv: 5 }],
  ["Autobahn 3.6", "RSV on a ping", { opcode: OP.ping, payload: "x", rsv: 6 }],
  ["Autobahn 3.7", "RSV on a close", { opcode: OP.close, payload: "", rsv: 7 }],
  ...[3, 4, 5, 6, 7].map(
    (opcode, i) => [`Autobahn 4.1.${i + 1}`, `reserved opcode ${opcode}`, { opcode }] as const,
  ),
  ...[11, 12, 13, 14, 15].map(
    (opcode, i) => [`Autobahn 4.2.${i + 1}`, `reserved opcode ${opcode}`, { opcode }] as const,
  ),
  ["Autobahn 5.1", "a fragmented ping", { opcode: OP.ping, payload: "x", fin: false }],
  ["Autobahn 5.2", "a fragmented pong", { opcode: OP.pong, payload: "x", fin: false }],
  ["Autobahn 5.9", "a continuation of nothing", { opcode: OP.more, payload: "x" }],
  [
    "Autobahn 5.12",
    "an open continuation of nothing",
    { opcode: OP.more, payload: "x", fin: false },
  ],
  ["Autobahn 5.18", "a message inside a message", text("4", { fin: false }), text("2")],
  ["Autobahn 6.3.1", "text that is not UTF-8", text(badUtf8)],
  [
    "Autobahn 6.3.2",
    "text that is not UTF-8, one byte a fragment",
    ...[...badUtf8].map((byte, i) => ({
      opcode: i === 0 ? OP.text : OP.more,
      payload: Buffer.from([byte]),
      fin: i === badUtf8.length - 1,
    })),
  ],
  ["Autobahn 6.8.1", "an overlong UTF-8 sequence", text(Buffer.from([0x34, 0xfe, 0x80, 0x80]))],
  ["Autobahn 7.3.6", "a close reason of 124 bytes", closing(1000, "x".repeat(124))],
  ["Autobahn 7.5.1", "a close reason that is not UTF-8", closing(1000, badUtf8)],
  ...[0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999].map(
    (code, i) => [`Autobahn 7.9.${i + 1}`, `close code ${code}`, closing(code)] as const,
  ),
  ["Autobahn 7.13.1", "close code 5000", closing(5000)],
  ["Autobahn 7.13.2", "close code 65535", closing(65_535)],
  [
    "RFC 6455 5.1",
    "text that was not masked, so that it is unmasked into noise,",
    text('421["ask","x"]', { masked: false }),
    text('421["ask","x"]', { masked: false }),
  ],
  [
    "CVE-2026-1528",
    "a frame length of 2^63",
    { opcode: OP.binary, declared: 2n ** 63n, payload: "x" },
  ],
  [
    "CVE-2026-1528",
    "a frame length of 2^64 - 1",
    { opcode: OP.binary, declared: 2n ** 64n - 1n, payload: "x" },
  ],
  [
    "CVE-2016-10518",
    "a frame that announces one byte over socket.packetBytesMax",
    { opcode: OP.binary, declared: BigInt(FRAME_BYTES_MAX + 1), payload: "x" },
  ],
  [
    "CVE-2026-62389",
    "fragments of one byte that add up to one over socket.packetBytesMax",
    text("4", { fin: false }),
    ...Array.from({ length: FRAME_BYTES_MAX }, () => ({
      opcode: OP.more,
      payload: "x",
      fin: false,
    })),
  ],
];

/** What these cases are about is refused with a sentence of its own by every binary. */
const SAID = /UTF-8|unmasked|length|packetBytesMax/;

/**
 * The close that a broken frame is counted as: the legacy binary does not tell it from a
 * connection that was reset.
 */
export function broken(title: string): Record<string, number> {
  const told = loadNative().binary === "current" || (SAID.test(title) && !title.includes("close"));
  return closed(told ? "bad_frame" : "connection_lost");
}

/** Opens a WebSocket client for as long as `act` takes. */
export async function withClient(port: number, act: (client: WireClient, ws: Ws) => Promise<void>) {
  const client = await openClient(port, "websocket", "json");
  const { ws } = client.session;
  if (!ws) throw new Error("a WebSocket session has a WebSocket");
  try {
    await act(client, ws);
  } finally {
    client.close();
  }
}

const ILLEGAL_ROWS: Row[] = ILLEGAL.map(([id, title, ...frames]) => ({
  id,
  title: `${title} ends the connection`,
  counted: broken(title),
  attack: (port) =>
    withClient(port, async (_, ws) => {
      ws.tcp.write(Buffer.concat(frames.map(encodeFrame)));
      // A close frame of these codes, or none: RFC 6455, 7.1.7 leaves it to the endpoint.
      const { code } = await ws.ended();
      assert.ok(["none", 1002, 1005, 1007, 1009].includes(code), `closed with ${code}`);
    }),
}));

/** Frames at the edge of what is legal: the connection must go on, or end in order. */
const LEGAL_ROWS: Row[] = [
  {
    id: "Autobahn 2.10",
    title: "ten pings are answered in order",
    counted: closed("client_closed"),
    attack: (port) =>
      withClient(port, async (_, ws) => {
        for (let n = 0; n < 10; n++) ws.frame({ opcode: OP.ping, payload: `ping ${n}` });
        for (let n = 0; n < 10; n++) {
          const [, length = 0] = await ws.tcp.read(2);
          assert.equal((await ws.tcp.read(length)).toString(), `ping ${n}`);
        }
        ws.frame(closing(1000));
        assert.equal((await ws.ended()).code, 1000);
      }),
  },
  {
    id: "Autobahn 5.8",
    title: "a ping between one-byte fragments harms neither",
    counted: closed("client_closed"),
    attack: (port) =>
      withClient(port, async (client, ws) => {
        const bytes = [...Buffer.from('421["ask","é"]')];
        bytes.forEach((byte, i) => {
          const opcode = i === 0 ? OP.text : OP.more;
          ws.frame({ opcode, payload: Buffer.from([byte]), fin: i === bytes.length - 1 });
          if (i < bytes.length - 1) ws.frame({ opcode: OP.ping, payload: "p" });
        });
        assert.deepEqual((await client.hear()).data, ["é"]);
        ws.frame(closing(1000));
        assert.equal((await ws.ended()).code, 1000);
      }),
  },
  {
    id: "CVE-2016-10518",
    title: "a message of exactly socket.packetBytesMax is served",
    counted: closed("client_closed"),
    attack: (port) =>
      withClient(port, async (client, ws) => {
        const head = '421["ask","';
        ws.send(`${head}${"x".repeat(FRAME_BYTES_MAX - head.length - 2)}"]`);
        assert.equal(String((await client.hear()).data).length, FRAME_BYTES_MAX - head.length - 2);
        ws.frame({ opcode: OP.close });
        assert.notEqual((await ws.ended()).code, "none");
      }),
  },
  {
    id: "Autobahn 7.3.2",
    title: "a close of one byte ends the connection",
    counted: closed("client_closed"),
    attack: (port) =>
      withClient(port, async (_, ws) => {
        ws.frame({ opcode: OP.close, payload: "x" });
        assert.ok(["none", 1002, 1005].includes((await ws.ended()).code));
      }),
  },
  {
    id: "Autobahn 7.1.5",
    title: "what follows a close frame is not served",
    counted: closed("client_closed"),
    attack: (port) =>
      withClient(port, async (client, ws) => {
        const late = encodeFrame(text('421["ask","late"]'));
        ws.tcp.write(Buffer.concat([encodeFrame(closing(1000)), late]));
        const hear = async () => {
          for (;;) assert.notEqual((await client.hear()).type, 3);
        };
        await assert.rejects(hear(), { name: "SessionEnded" });
      }),
  },
];

/** WebSocket framing. */
export const FRAME_ROWS: readonly Row[] = [...ILLEGAL_ROWS, ...LEGAL_ROWS];
