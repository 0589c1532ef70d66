import assert from "node:assert/strict";
import type { FailureCode } from "../../../src/core/failures.ts";
import type { CodecName } from "../../../src/core/packet.ts";
import { openClient, type WireTransport } from "../../harness/wire-io.ts";
import type { EnginePacket } from "../../harness/wire-speech.ts";
import { notDecoded, type Row } from "../row.ts";

/** What the gateway of these rows accepts; each bound has a row of its own. */
export const PACKET_SETTINGS = {
  socket: { packetBytesMax: 1_000_000 },
  codec: { depthMax: 32, elementsMax: 10_000, nameBytesMax: 64, attachmentsMax: 10 },
} as const;

type Bad = readonly [id: string, title: string, code: FailureCode, ...packets: EnginePacket[]];

const bytes = (...parts: (number | readonly number[] | string | Buffer)[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === "string" ? str(part) : Buffer.from(typeof part === "number" ? [part] : part),
    ),
  );
/** A short msgpack string. */
function str(text: string): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([
    Buffer.from(body.length < 32 ? [0xa0 | body.length] : [0xd9, body.length]),
    body,
  ]);
}
/** A msgpack packet of `entries` entries that begins as a proper event does. */
const event = (...data: Parameters<typeof bytes>) =>
  bytes(0x83, "type", 2, "nsp", "/", "data", ...data);
const nested = (levels: number, level: number) => Buffer.alloc(levels, level);

const RESERVED = [
  ...["connect", "connect_error", "disconnect", "disconnecting"],
  ...["newListener", "removeListener"],
];

const JSON_BAD: readonly Bad[] = [
  ["CVE-2026-33151", "an attachment count of 11", "CODEC_TOO_MANY_ATTACHMENTS", '4511-["x"]'],
  [
    "CVE-2026-33151",
    "an attachment count of 10^12",
    "CODEC_TOO_MANY_ATTACHMENTS",
    '451000000000000-["x"]',
  ],
  ["CVE-2026-69185", "a binary event of 0 attachments", "CODEC_BAD_SHAPE", '450-["x"]'],
  ["CVE-2026-69185", "a negative attachment count", "CODEC_BAD_SHAPE", '45-1-["x"]'],
  ["CVE-2026-69185", "an attachment count with a point", "CODEC_BAD_SHAPE", '451.5-["x"]'],
  [
    "CVE-2022-2421",
    "a placeholder whose num is a method",
    "CODEC_BAD_SHAPE",
    '451-["x",{"_placeholder":true,"num":"splice"}]',
    Buffer.from([1]),
  ],
  [
    "CVE-2022-2421",
    "a placeholder whose num is past the attachments",
    "CODEC_BAD_SHAPE",
    '451-["x",{"_placeholder":true,"num":1}]',
    Buffer.from([1]),
  ],
  ["CVE-2023-32695", "an event named by an object", "CODEC_BAD_SHAPE", '42[{"toString":"x"}]'],
  ["CVE-2023-32695", "an event named by a list", "CODEC_BAD_SHAPE", '42[["ask"]]'],
  ["CVE-2023-32695", "an event of no name", "CODEC_BAD_SHAPE", "42[]"],
  ["shape", "an event without data", "CODEC_BAD_SHAPE", "42"],
  ["shape", "an event whose data is an object", "CODEC_BAD_SHAPE", '42{"0":"ask"}'],
  ["shape", "an id past the safe integers", "CODEC_BAD_SHAPE", '4299999999999999999999["ask"]'],
  ["shape", "an unknown type", "CODEC_MALFORMED", "49"],
  ["shape", "broken JSON", "CODEC_MALFORMED", '42["ask"'],
  ["shape", "an empty packet", "CODEC_MALFORMED", "4"],
  ["depth", "33 levels", "CODEC_TOO_DEEP", `42["x",${"[".repeat(33)}${"]".repeat(33)}]`],
  [
    "depth",
    "100,000 levels",
    "CODEC_TOO_DEEP",
    `42["x",${"[".repeat(100_000)}${"]".repeat(100_000)}]`,
  ],
  ["elements", "20,000 values", "CODEC_TOO_MANY_ELEMENTS", `42["x",[${"1,".repeat(20_000)}1]]`],
  [
    "elements",
    "20,000 keys",
    "CODEC_TOO_MANY_ELEMENTS",
    `42["x",{${Array.from({ length: 20_000 }, (_, n) => `"${n}":1`)}}]`,
  ],
  ["names", "an event name of 65 bytes", "CODEC_NAME_TOO_LONG", `42["${"x".repeat(65)}"]`],
  ["names", "a namespace of 65 bytes", "CODEC_NAME_TOO_LONG", `40/${"x".repeat(64)},`],
  ["names", "a namespace with the separator of topics", "CODEC_BAD_SHAPE", "40/dyn-1\x1fvip,"],
  [
    "CVE-2020-36049",
    "attachments of more than socket.packetBytesMax together",
    "CODEC_TOO_LARGE",
    '452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    Buffer.alloc(999_000),
    Buffer.alloc(999_000),
  ],
  [
    "attachments",
    "text where an attachment is due",
    "CODEC_BAD_SHAPE",
    '451-["x",{"_placeholder":true,"num":0}]',
    "42[]",
  ],
  ["attachments", "bytes where none are due", "CODEC_BAD_SHAPE", Buffer.from([1, 2, 3])],
  ...RESERVED.map(
    (name) => ["reserved", `the event "${name}"`, "CODEC_RESERVED_EVENT", `42["${name}"]`] as const,
  ),
];

const MSGPACK_BAD: readonly Bad[] = [
  [
    "ext bomb",
    "an ext of 2^32 - 1 bytes",
    "CODEC_MALFORMED",
    bytes([0xc9, 0xff, 0xff, 0xff, 0xff, 0x00]),
  ],
  [
    "ext bomb",
    "the same inside an event",
    "CODEC_MALFORMED",
    event(0x92, "x", [0xc9, 0xff, 0xff, 0xff, 0xff, 0x00]),
  ],
  [
    "array bomb",
    "a list of 2^32 - 1 values",
    "CODEC_MALFORMED",
    event([0xdd, 0xff, 0xff, 0xff, 0xff]),
  ],
  [
    "array bomb",
    "a map of 2^32 - 1 entries",
    "CODEC_MALFORMED",
    event(0x92, "x", [0xdf, 0xff, 0xff, 0xff, 0xff]),
  ],
  [
    "array bomb",
    "a string of 2^32 - 1 bytes",
    "CODEC_MALFORMED",
    event(0x92, "x", [0xdb, 0xff, 0xff, 0xff, 0xff]),
  ],
  [
    "array bomb",
    "bytes of 2^32 - 1",
    "CODEC_MALFORMED",
    event(0x92, "x", [0xc6, 0xff, 0xff, 0xff, 0xff]),
  ],
  [
    "array bomb",
    "20,000 values that are there",
    "CODEC_TOO_MANY_ELEMENTS",
    event(0x92, "x", [0xdd, 0, 0, 0x4e, 0x20], Buffer.alloc(20_000)),
  ],
  [
    "nested bomb",
    "2,000 lists of 65,535 in each other",
    "CODEC_MALFORMED",
    event(0x92, "x", Buffer.alloc(6000, Buffer.from([0xdc, 0xff, 0xff]))),
  ],
  ["CVE-2026-107298", "33 levels", "CODEC_TOO_DEEP", event(0x92, "x", nested(33, 0x91), 0xc0)],
  [
    "CVE-2026-107298",
    "900,000 levels",
    "CODEC_TOO_DEEP",
    event(0x92, "x", nested(900_000, 0x91), 0xc0),
  ],
  ["CVE-2026-107299", "the reserved byte 0xc1", "CODEC_MALFORMED", event(0x92, "x", 0xc1)],
  [
    "CVE-2026-107301",
    "the key __proto__",
    "CODEC_BAD_SHAPE",
    event(0x92, "x", 0x81, "__proto__", 0x81, "isAdmin", 0xc3),
  ],
  [
    "CVE-2021-21368",
    "a packet whose fields are those of __proto__",
    "CODEC_BAD_SHAPE",
    bytes(0x81, "__proto__", event(0x91, "x")),
  ],
  ["keys", "a key that is no string", "CODEC_MALFORMED", event(0x92, "x", 0x81, 1, 1)],
  ["truncated", "half a packet", "CODEC_MALFORMED", event(0x92, "x")],
  ["trailing", "bytes after the packet", "CODEC_MALFORMED", bytes(event(0x91, "x"), 0xc0)],
  ["shape", "no map", "CODEC_MALFORMED", bytes(0x93, 2, "/", 0x91, "x")],
  ["shape", "an unknown type", "CODEC_BAD_SHAPE", bytes(0x82, "type", 7, "nsp", "/")],
  ["shape", "a type that is a string", "CODEC_BAD_SHAPE", bytes(0x82, "type", "2", "nsp", "/")],
  ["shape", "a namespace that is a number", "CODEC_BAD_SHAPE", bytes(0x82, "type", 1, "nsp", 5)],
  ["shape", "an event whose data is a map", "CODEC_BAD_SHAPE", event(0x80)],
  [
    "shape",
    "a negative id",
    "CODEC_BAD_SHAPE",
    bytes(0x84, "type", 2, "nsp", "/", "id", 0xff, "data", 0x91, "x"),
  ],
  [
    "shape",
    "an id with a fraction",
    "CODEC_BAD_SHAPE",
    bytes(
      0x84,
      "type",
      2,
      "nsp",
      "/",
      "id",
      [0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0],
      "data",
      0x91,
      "x",
    ),
  ],
  [
    "CVE-2023-32695",
    "an event named by a map",
    "CODEC_BAD_SHAPE",
    event(0x91, 0x81, "toString", "x"),
  ],
  ["CVE-2023-32695", "an event of no name", "CODEC_BAD_SHAPE", event(0x90)],
  ["names", "an event name of 65 bytes", "CODEC_NAME_TOO_LONG", event(0x91, "x".repeat(65))],
  [
    "names",
    "a namespace with the separator of topics",
    "CODEC_BAD_SHAPE",
    bytes(0x82, "type", 0, "nsp", "/dyn-1\x1fvip"),
  ],
  ["codec", "a text frame after msgpack", "CODEC_MALFORMED", '42["ask"]'],
  ...RESERVED.map(
    (name) =>
      ["reserved", `the event "${name}"`, "CODEC_RESERVED_EVENT", event(0x91, name)] as const,
  ),
];

function rows(codec: CodecName, transport: WireTransport, bad: readonly Bad[]): Row[] {
  return bad.map(([id, title, code, ...packets]) => ({
    id,
    title: `${codec} over ${transport}: ${title}`,
    counted: notDecoded(code),
    async attack(port) {
      const client = await openClient(port, transport, codec);
      // A payload as a whole: long-polling answers nothing more once one packet was refused.
      await client.session.send(...packets);
      const end = await client.session.ended();
      if (transport === "websocket") assert.equal(end.code, 1008);
      else assert.equal(end.answer?.status, 400);
      client.close();
    },
  }));
}

/** Socket.IO packets that must be refused before they cost or do anything. */
export const PACKET_ROWS: readonly Row[] = [
  ...rows("json", "websocket", JSON_BAD),
  ...rows("msgpack", "websocket", MSGPACK_BAD),
  // The same decoder stands behind long-polling; base64 and payloads are what differs.
  ...rows(
    "json",
    "polling",
    JSON_BAD.filter((_, i) => i % 4 === 0),
  ),
  ...rows(
    "msgpack",
    "polling",
    MSGPACK_BAD.filter((_, i) => i % 4 === 0 && i !== 8),
  ),
];
