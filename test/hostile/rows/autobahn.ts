import assert from "node:assert/strict";
import type { WireClient } from "../../harness/wire-io.ts";
import { encodeFrame, type FrameParts, OP, type Ws } from "../../harness/wire-ws.ts";
import { closed, type Row } from "../row.ts";
import { broken, closing, FRAME_BYTES_MAX, text, withClient } from "./frames.ts";

/** A question whose answer is the text that it holds. */
const asking = (what: string) => Buffer.from(`421["ask","${what}"]`);
/** A question of exactly that many bytes. */
const askingOf = (bytes: number) => asking("x".repeat(bytes - asking("").length));

/** One text message, split where `at` says, with `between` after each part but the last. */
function fragments(message: Buffer, at: readonly number[], between: FrameParts[] = []) {
  const ends = [...at, message.length];
  return ends.flatMap((end, i): FrameParts[] => {
    const payload = message.subarray(ends[i - 1] ?? 0, end);
    const frame = { opcode: i === 0 ? OP.text : OP.more, payload, fin: end === message.length };
    return end === message.length ? [frame] : [frame, ...between];
  });
}

const everyByte = (message: Buffer) => message.map((_, i) => i).subarray(1);
const unicode = asking("κόσμε");
const ping: FrameParts = { opcode: OP.ping, payload: "p" };
const pong: FrameParts = { opcode: OP.pong, payload: "unasked" };

/** Frames that ask and must be answered; `chop` is how many bytes a TCP segment has. */
interface Answered {
  readonly id: string;
  readonly title: string;
  readonly frames: readonly FrameParts[];
  readonly chop?: number;
}

const whole = (message: Buffer): FrameParts[] => [text(message)];
const ANSWERED: readonly Answered[] = [
  ...[125, 126, 127, 128, 65_535, FRAME_BYTES_MAX].map((bytes, i) => ({
    id: `Autobahn 1.1.${i + 2}`,
    title: `a text of ${bytes} bytes`,
    frames: whole(askingOf(bytes)),
  })),
  {
    id: "Autobahn 1.1.8",
    title: "65,536 bytes in segments of 997",
    frames: whole(askingOf(FRAME_BYTES_MAX)),
    chop: 997,
  },
  { id: "Autobahn 2.7", title: "a pong nobody asked for", frames: [pong, ...whole(unicode)] },
  { id: "Autobahn 5.3", title: "two fragments", frames: fragments(unicode, [5]) },
  { id: "Autobahn 5.5", title: "two by the byte", frames: fragments(unicode, [5]), chop: 1 },
  { id: "Autobahn 5.6", title: "a ping in between", frames: fragments(unicode, [5], [ping]) },
  {
    id: "Autobahn 5.19",
    title: "five fragments and two pings",
    frames: fragments(unicode, [2, 4, 6, 8], [ping, ping]),
  },
  { id: "Autobahn 6.1.3", title: "an empty fragment", frames: fragments(unicode, [5, 5]) },
  {
    id: "Autobahn 6.2.3",
    title: "UTF-8 a byte a fragment",
    frames: fragments(unicode, [...everyByte(unicode)]),
  },
  ...(
    [
      ["6.6.11", "\u{10ffff}"],
      ["6.7.2", "\u0080"],
      ["6.7.4", "\u{10000}"],
      ["6.9.2", "\u07ff"],
      ["6.11.1", "\ud7ff"],
      ["6.11.2", "\ue000"],
      ["6.22.1", "\ufffe"],
      ["6.23.1", "\ufffd"],
    ] as const
  ).map(([id, character]) => ({
    id: `Autobahn ${id}`,
    title: `the character U+${character.codePointAt(0)?.toString(16)}`,
    frames: whole(asking(character)),
  })),
];

/** Bytes in a text that are no UTF-8. */
const NO_UTF8: readonly (readonly [string, readonly number[]])[] = [
  ["6.8.2", [0xfc, 0x84, 0x80, 0x80, 0x80, 0x80]],
  ["6.10.1", [0xf7, 0xbf, 0xbf, 0xbf]],
  ["6.12.1", [0x80]],
  ["6.13.1", [0xc0, 0x20, 0xc1, 0x20]],
  ["6.14.1", [0xc0]],
  ["6.15.1", [0xe0, 0x80, 0xf0, 0x80, 0x80]],
  ["6.16.1", [0xfe]],
  ["6.17.1", [0xc0, 0xaf]],
  ["6.18.1", [0xc1, 0xbf]],
  ["6.19.1", [0xc0, 0x80]],
  ["6.20.1", [0xed, 0xa0, 0x80]],
  ["6.21.1", [0xed, 0xa0, 0x80, 0xed, 0xb0, 0x80]],
];

const more = (fin: boolean): FrameParts => ({ opcode: OP.more, payload: "x", fin });
const REFUSED: readonly (readonly [string, string, ...FrameParts[]])[] = [
  ["5.15", "a continuation after a whole message", ...fragments(unicode, [5]), more(false)],
  ["5.16", "open continuations before a message", more(false), ...fragments(unicode, [5])],
  ["5.17", "ended continuations before a message", more(true), ...fragments(unicode, [5])],
  ...NO_UTF8.map(([id, bytes]) => {
    const payload = Buffer.concat([Buffer.from('42["'), Buffer.from(bytes), Buffer.from('"]')]);
    return [id, "text that is not UTF-8", text(payload)] as const;
  }),
];

/** Close frames that are in order; their code comes back. */
const CLOSES: readonly (readonly [string, FrameParts, number])[] = [
  ["7.3.1", { opcode: OP.close }, 1005],
  ["7.3.3", closing(1000), 1000],
  ["7.3.4", closing(1000, "Hello World!"), 1000],
  ["7.3.5", closing(1000, "x".repeat(123)), 1000],
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011].map(
    (code, i) => [`7.7.${i + 1}`, closing(code), code] as const,
  ),
  // 7.7.10 and 7.7.11, 3000 and 3999, are no close to uWebSockets.js: counted as connection_lost.
  ["7.7.12", closing(4000), 4000],
  ["7.7.13", closing(4999), 4999],
];

async function writeChopped({ tcp }: Ws, bytes: Buffer, chop: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += chop) {
    await new Promise<void>((sent) =>
      tcp.socket.write(bytes.subarray(at, at + chop), () => sent()),
    );
  }
}

const row = (
  id: string,
  title: string,
  counted: Row["counted"],
  act: (client: WireClient, ws: Ws) => Promise<void>,
): Row => ({ id, title, counted, attack: (port) => withClient(port, act) });

/** The cases of the Autobahn test suite that `frames.ts` has not, each by its id there. */
export const AUTOBAHN_ROWS: readonly Row[] = [
  ...ANSWERED.map(({ id, title, frames, chop = 100_000 }) =>
    row(id, `${title} is answered`, {}, async (client, ws) => {
      await writeChopped(ws, Buffer.concat(frames.map(encodeFrame)), chop);
      const message = Buffer.concat(
        frames.flatMap(({ opcode, payload }) =>
          opcode < OP.close ? [Buffer.from(payload ?? "")] : [],
        ),
      ).toString();
      assert.deepEqual((await client.hear()).data, JSON.parse(message.slice(3)).slice(1));
    }),
  ),
  ...[0, 125, 126, 127, 128, 65_000].map((bytes, i) =>
    row(`Autobahn 1.2.${i + 1}`, `${bytes} bytes are answered`, {}, async (client) => {
      const given = Buffer.alloc(bytes, 0xfe);
      assert.deepEqual(await client.ask("ask", given), [given]);
    }),
  ),
  ...(
    [
      ["2.1", "", 100],
      ["2.2", "Hello, world!", 100],
      ["2.3", Buffer.from([0, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0, 0xff]), 100],
      ["2.4", Buffer.alloc(125, 0xfe), 1000],
      ["2.6", Buffer.alloc(125, 0xfe), 1],
    ] as const
  ).map(([id, payload, chop]) =>
    row(`Autobahn ${id}`, `a ping of ${payload.length} is answered`, {}, async (_, ws) => {
      const given = Buffer.from(payload);
      await writeChopped(ws, encodeFrame({ opcode: OP.ping, payload: given }), chop);
      const head = Buffer.from([0x80 | OP.pong, given.length]);
      assert.deepEqual(await ws.tcp.read(2 + given.length), Buffer.concat([head, given]));
    }),
  ),
  ...REFUSED.map(([id, title, ...frames]) =>
    row(`Autobahn ${id}`, `${title} ends the connection`, broken(title), async (_, ws) => {
      ws.tcp.write(Buffer.concat(frames.map(encodeFrame)));
      const { code } = await ws.ended();
      assert.ok(["none", 1002, 1005, 1007].includes(code), `closed with ${code}`);
    }),
  ),
  ...CLOSES.map(([id, frame, expected]) =>
    row(`Autobahn ${id}`, "a close is answered in kind", closed("client_closed"), async (_, ws) => {
      ws.frame(frame);
      assert.equal((await ws.ended()).code, expected);
    }),
  ),
];
