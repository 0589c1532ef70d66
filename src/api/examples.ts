import type { CommandName } from "../core/command.ts";

const MAIN = { id: "Yx3kq0BvVJ9sAAAB", namespace: "/", userId: "ada" };
const BATCHED = {
  specversion: "1.0",
  type: "io.sluice.event",
  source: "/namespaces//sockets/Yx3kq0BvVJ9sAAAB",
  subject: "typing",
  time: "2026-01-01T12:00:00.000Z",
  datacontenttype: "application/json",
  namespace: "/",
  socketid: MAIN.id,
};
const TYPING = { socket: MAIN, event: "typing", args: ["tea"], ack: false };

/** One example of each command. */
const COMMANDS: Readonly<Record<CommandName, object>> = {
  emit: {
    do: "emit",
    to: ["tea"],
    except: [MAIN.id],
    event: "message",
    args: ["tea", "Ada", { text: "hello" }],
  },
  emitWithAck: { do: "emitWithAck", to: ["tea"], event: "ready?", args: [], timeoutMs: 2000 },
  socketsJoin: { do: "socketsJoin", in: [MAIN.id], rooms: ["tea"] },
  socketsLeave: { do: "socketsLeave", in: [MAIN.id], rooms: ["tea"] },
  disconnectSockets: { do: "disconnectSockets", in: ["tea"], close: true },
  fetchSockets: { do: "fetchSockets", in: ["tea"], limit: 100 },
  serverSideEmit: { do: "serverSideEmit", event: "reload", args: ["prices"] },
  cancel: { do: "cancel", key: "table:7 turn" },
};

const LATER = {
  do: "emit",
  to: ["table:7"],
  event: "too late",
  args: [3],
  afterMs: 30_000,
  key: "table:7 turn",
};

/** Examples of the schemas of the OpenAPI document, by their names. */
export const EXAMPLES: Readonly<Record<string, readonly object[]>> = {
  ...Object.fromEntries(Object.entries(COMMANDS).map(([name, example]) => [name, [example]])),
  emit: [COMMANDS.emit, LATER],
  ConnectCall: [
    {
      socket: {
        id: MAIN.id,
        namespace: "/",
        handshake: {
          headers: { host: "chat.example", "user-agent": "Mozilla/5.0" },
          query: { EIO: "4", transport: "websocket" },
          auth: { name: "Ada" },
          address: "203.0.113.7",
          secure: true,
          issued: 1767268800000,
          recovered: false,
        },
      },
    },
  ],
  ConnectedCall: [
    {
      socket: {
        ...MAIN,
        data: { name: "Ada", seat: 3 },
        version: 1767268800123456,
        rooms: ["lobby", "table:7"],
      },
      rooms: { lobby: 12, "table:7": 2 },
      recovered: true,
    },
  ],
  EventCall: [
    {
      socket: { ...MAIN, data: { name: "Ada" } },
      event: "message",
      args: ["tea", "hello", { $binary: "aGk=" }],
      ack: true,
    },
  ],
  DisconnectCall: [
    { socket: { ...MAIN, data: { name: "Ada" } }, reason: "client namespace disconnect" },
  ],
  BatchCall: [
    [
      { ...BATCHED, id: "evt_8sKQ_1", data: TYPING },
      { ...BATCHED, id: "evt_8sKQ_2", data: TYPING },
    ],
  ],
  ConnectAnswer: [{ userId: "ada", data: { name: "Ada" }, rooms: ["lobby"] }],
  EventAnswer: [
    {
      ack: [{ delivered: true }],
      commands: [COMMANDS.emit, { do: "socketsJoin", in: [MAIN.id], rooms: ["tea"] }],
    },
    { data: { seat: 3, invitedBy: null }, rooms: { leave: ["lobby"], join: ["table:7"] } },
  ],
  BatchAnswer: [
    {
      answers: [
        {
          id: "evt_8sKQ_1",
          commands: [{ do: "emit", to: ["tea"], event: "typing", args: ["Ada"] }],
        },
      ],
      failed: [{ id: "evt_8sKQ_2", retry: true }],
    },
  ],
  Refusal: [{ message: "tell us your name", data: { field: "name" } }],
  Revive: [{ names: ["default"] }],
  Replay: [{ ids: ["evt_8sKQ_2"] }, { route: "chat", reason: "UPSTREAM_FAILED" }],
};
