import type { Packet } from "../../src/core/packet.ts";
import type { EnginePacket } from "../harness/wire-speech.ts";

/** Stands for any text in an expected packet: a socket id. */
export const ANY_TEXT = Symbol("any text");
/** Stands for any number: an ack id, which the server counts over all clients. */
export const ANY_NUMBER = Symbol("any number");

/** One step of a conversation with the contract application. */
export type Step =
  | { readonly say: Packet }
  /** Bytes that no encoder would make, per codec; a codec without any skips the row. */
  | { readonly raw: { readonly json?: EnginePacket[]; readonly msgpack?: EnginePacket[] } }
  | { readonly hear: unknown }
  /** Acks the last packet heard. */
  | { readonly answer: readonly unknown[] }
  /** The server closes the connection; `reason` is what it tells the application's socket. */
  | { readonly closed: true; readonly reason?: string | RegExp };

/** A conversation that must go the same way everywhere. */
export interface SocketRow {
  readonly title: string;
  readonly steps: readonly Step[];
}

const nsp = "/";
const connect = (name = nsp, auth?: unknown): Step[] => [
  { say: { type: 0, nsp: name, ...(auth === undefined ? {} : { data: auth }) } },
  { hear: { type: 0, nsp: name, data: { sid: ANY_TEXT } } },
];
const event = (...data: unknown[]): Step => ({ say: { type: 2, nsp, data } });
const said = (...data: unknown[]): Step => ({ hear: { type: 2, nsp, data: ["said", ...data] } });
const raw = (json: EnginePacket[], ...msgpack: Buffer[]): Step => ({ raw: { json, msgpack } });
// Which of the two depends on whether its transport closes at once.
const FORCED = /^forced (server )?close$/;
const badPacket: Step = { closed: true, reason: "parse error" };

/** Values that must come back from an echo as they went. */
const VALUES: readonly unknown[] = [
  ["nothing", []],
  ["small and large integers", [0, -1, 127, 128, 65_536, -32_769, 2 ** 31, 2 ** 40, -(2 ** 45)]],
  ["fractions", [0.5, -1e-7, 1.5e-300, 123456.789]],
  ["texts", ["", "a", "é", "日本", "😀", "\u0000", "\u2028", '"\\', "x".repeat(300)]],
  ["null and booleans", [null, true, false]],
  ["nesting", [{ a: [{ b: { c: [1, [2, [3]]] } }] }]],
  ["odd keys", [{ "": 1, "a b": 2, constructor: 3, toString: 4, ünï: 5 }]],
  ["bytes", [Buffer.from([1, 2, 3])]],
  ["empty bytes", [Buffer.alloc(0)]],
  ["several bytes, nested", [{ a: [Buffer.from("x")], b: { c: Buffer.from("y") } }, "z"]],
];

const ECHOES: SocketRow[] = (VALUES as [string, unknown[]][]).flatMap(([name, values]) => [
  {
    title: `an event brings ${name} and takes them back`,
    steps: [...connect(), event("say", ...values), said(...values)],
  },
  {
    title: `an ack brings ${name} back under its id`,
    steps: [
      ...connect(),
      { say: { type: 2, nsp, id: 456, data: ["ask", ...values] } },
      { hear: { type: 3, nsp, id: 456, data: values } },
    ],
  },
]);

const RESERVED = [
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
];

/** What each row of refusals sends after CONNECT. */
const REFUSED: readonly (readonly [string, EnginePacket[], ...Buffer[]])[] = [
  [
    "an unknown packet type",
    ["4abc"],
    Buffer.from([0x82, 0xa4, ...text("type"), 0x07, 0xa3, ...text("nsp"), 0xa1, 0x2f]),
  ],
  ["an empty packet", ["4"], Buffer.from([0x80])],
  ["an event whose data is an object", ['42{"a":1}'], mapPacket(2, [0x81, 0xa1, 0x61, 1])],
  ["an ack whose data is no list", ["431{}"], mapPacket(3, [0x80], [0xa2, ...text("id"), 1])],
  ["broken data", ['42["say"'], mapPacket(2, [0x92, 0xa3, ...text("say")])],
];

const REFUSALS: SocketRow[] = REFUSED.map(([what, json, ...msgpack]) => ({
  title: `${what} closes the connection`,
  steps: [...connect(), raw(json, ...msgpack), badPacket],
}));

/** JSON only: the msgpack wire has no such packets, or its official decoder does not look. */
const JSON_REFUSALS: SocketRow[] = (
  [
    ...RESERVED.map((name) => [`the reserved event "${name}"`, `42["${name}"]`] as const),
    ["an event whose name is an object", '42[{"toString":1}]'],
    ["an event of an empty list", "42[]"],
    ["a binary event that announces 0 attachments", '450-["say"]'],
    ["a binary event that announces 11 attachments", '4511-["say"]'],
    ["a binary event that announces a broken number", '451.5-["say"]'],
    ["a binary event without a dash", '451["say"]'],
    ["DISCONNECT with data", '41["x"]'],
  ] as const
).map(([what, packet]) => ({
  title: `${what} closes the connection`,
  steps: [...connect(), { raw: { json: [packet] } }, badPacket],
}));

/** Socket.IO protocol v5, as conversations. */
export const SOCKET_ROWS: readonly SocketRow[] = [
  { title: "a namespace is joined", steps: connect() },
  { title: "another namespace is joined", steps: connect("/other") },
  { title: "a namespace made from a pattern is joined", steps: connect("/dyn-101") },
  {
    title: "the auth payload reaches the application",
    steps: [
      ...connect("/", { token: "123", n: { a: 1 } }),
      { say: { type: 2, nsp, id: 0, data: ["auth"] } },
      { hear: { type: 3, nsp, id: 0, data: [{ token: "123", n: { a: 1 } }] } },
    ],
  },
  {
    title: "two namespaces share a connection",
    steps: [
      ...connect(),
      ...connect("/other"),
      { say: { type: 2, nsp: "/other", data: ["say", 1] } },
      { hear: { type: 2, nsp: "/other", data: ["said", 1] } },
      event("say", 2),
      said(2),
    ],
  },
  {
    title: "an unknown namespace is refused, and the connection goes on",
    steps: [
      { say: { type: 0, nsp: "/nowhere" } },
      { hear: { type: 4, nsp: "/nowhere", data: { message: "Invalid namespace" } } },
      ...connect(),
    ],
  },
  {
    title: "a middleware's refusal brings its message and data",
    steps: [
      { say: { type: 0, nsp: "/secret" } },
      { hear: { type: 4, nsp: "/secret", data: { message: "not for you", data: { code: 7 } } } },
      ...connect(),
    ],
  },
  ...ECHOES,
  {
    title: "an ack without arguments is an empty list",
    steps: [
      ...connect(),
      { say: { type: 2, nsp, id: 7, data: ["ask"] } },
      { hear: { type: 3, nsp, id: 7, data: [] } },
    ],
  },
  {
    title: "the server asks and the client answers",
    steps: [
      ...connect(),
      event("call-me", { a: 1 }),
      { hear: { type: 2, nsp, id: ANY_NUMBER, data: ["called", { a: 1 }] } },
      { answer: ["yes", Buffer.from([9])] },
      said("yes", Buffer.from([9])),
    ],
  },
  {
    title: "an answer nobody asked for is ignored",
    steps: [...connect(), { say: { type: 3, nsp, id: 99, data: ["?"] } }, event("say", 1), said(1)],
  },
  {
    title: "a broadcast comes back between its neighbours",
    steps: [
      ...connect(),
      event("say", 1),
      event("all", "text"),
      event("say", 2),
      event("all", Buffer.from([1, 2])),
      event("say", 3),
      said(1),
      said("text"),
      said(2),
      said(Buffer.from([1, 2])),
      said(3),
    ],
  },
  {
    title: "a namespace is left and joined again",
    steps: [
      ...connect(),
      ...connect("/other"),
      { say: { type: 1, nsp: "/other" } },
      event("say", "still here"),
      said("still here"),
      ...connect("/other"),
    ],
  },
  {
    title: "the application disconnects a socket, and the connection stays",
    steps: [...connect(), event("drop"), { hear: { type: 1, nsp } }, ...connect("/other")],
  },
  {
    title: "the application closes the connection",
    steps: [
      ...connect(),
      event("drop-all"),
      { closed: true, reason: "server namespace disconnect" },
    ],
  },
  {
    title: "a second CONNECT closes the connection",
    steps: [...connect(), { say: { type: 0, nsp } }, { closed: true, reason: FORCED }],
  },
  {
    title: "an event before CONNECT closes the connection",
    steps: [event("say", 1), { closed: true }],
  },
  {
    title: "an event to a namespace that was not joined closes the connection",
    steps: [
      ...connect(),
      { say: { type: 2, nsp: "/other", data: ["say"] } },
      { closed: true, reason: FORCED },
    ],
  },
  {
    title: "CONNECT_ERROR from a client closes the connection",
    steps: [
      ...connect(),
      { say: { type: 4, nsp, data: { message: "x" } } },
      { closed: true, reason: FORCED },
    ],
  },
  {
    title: "CONNECT with a list as auth closes the connection",
    steps: [raw(['40["a"]'], mapPacket(0, [0x91, 0xa1, 0x61])), { closed: true }],
  },
  ...REFUSALS,
  ...JSON_REFUSALS,
  {
    title: "bytes nobody announced close the connection",
    steps: [...connect(), { raw: { json: [Buffer.from([1, 2, 3])] } }, badPacket],
  },
  {
    title: "text between a packet and its attachment closes the connection",
    steps: [
      ...connect(),
      { raw: { json: ['451-["say",{"_placeholder":true,"num":0}]', '42["say"]'] } },
      badPacket,
    ],
  },
  {
    title: "a placeholder that is no index closes the connection",
    steps: [
      ...connect(),
      {
        raw: {
          json: ['451-["say",{"_placeholder":true,"num":"splice"}]', Buffer.from([1])],
        },
      },
      badPacket,
    ],
  },
  {
    title: "a text frame closes a msgpack connection",
    steps: [...connect(), { raw: { msgpack: ['42["say"]'] } }, badPacket],
  },
];

function text(value: string): number[] {
  return [...Buffer.from(value)];
}

/** A msgpack packet `{ type, nsp: "/", data?, …}` from raw parts. */
function mapPacket(type: number, data?: number[], more: number[] = []): Buffer {
  const entries = 2 + (data ? 1 : 0) + (more.length > 0 ? 1 : 0);
  const tail = data ? [0xa4, ...text("data"), ...data] : [];
  return Buffer.from([
    ...[0x80 | entries, 0xa4, ...text("type"), type, 0xa3, ...text("nsp"), 0xa1, 0x2f],
    ...more,
    ...tail,
  ]);
}

/** Each makes the server close the connection of a client that has joined `/`. */
export const ENDINGS: readonly (readonly [string, Packet])[] = [
  ["the application closes", { type: 2, nsp: "/", data: ["drop-all"] }],
  ["a packet for another namespace closes", { type: 2, nsp: "/other", data: ["say"] }],
  ["a second CONNECT closes", { type: 0, nsp: "/" }],
  ["a packet of no shape closes", { type: 2, nsp: "/", data: "say" as never }],
];
