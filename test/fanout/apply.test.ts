import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Command, CommandResult } from "../../src/core/command.ts";
import { createExecutor, type Executor, type ExecutorSettings } from "../../src/fanout/apply.ts";
import { createMemoryDelays } from "../../src/fanout/delays.ts";
import { createSamples } from "../../src/fanout/samples.ts";
import { type Gateway, startGateway } from "../../src/gateway/gateway.ts";
import { collect, connectClient, type Socket, watchClient } from "../harness/clients.ts";
import { until } from "../harness/wait.ts";

let gateway: Gateway;
let executor: Executor;
const clients: Socket[] = [];
const delays = createMemoryDelays({ delayedMax: 0, delayedBytesMax: 0 });
const LIMITS: ExecutorSettings = {
  ackSocketsMax: 3,
  heldCommandsMax: 2,
  acksPendingMax: 1000,
  requestSocketsMax: 1000,
  listedSocketsMax: 1000,
  listsWaitingMax: 100,
};

before(async () => {
  gateway = await startGateway({
    socket: { port: 0, drainMs: 0 },
    overload: { enabled: false },
  });
  gateway.io.of(/^\/tenant-\d+$/);
  gateway.io.on("connection", (socket) => {
    socket.on("wait", (done) => done());
  });
  executor = createExecutor(LIMITS, { server: gateway.io, acks: createSamples(), delays });
});
after(() => gateway.stop());
afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  await until(() => gateway.io.of("/").sockets.size === 0, "everyone has left");
});

async function connect(codec: "json" | "msgpack" = "json", path = ""): Promise<Socket> {
  const client = await connectClient(gateway.url + path, codec);
  clients.push(client);
  return client;
}

const idOf = (client: Socket): string => client.id ?? assert.fail("not connected");
const apply = (...commands: Command[]): Promise<CommandResult[]> => executor.apply(commands, "api");
/** Resolves when everything sent to the client before has arrived. */
const settle = (client: Socket) => client.timeout(5000).emitWithAck("wait");

test("emit reaches exactly who Socket.IO's own chain would reach, in both codecs", async () => {
  const [a, b, c] = [await connect(), await connect("msgpack"), await connect()];
  const seen = [a, b, c].map(collect);
  gateway.io.in([idOf(a), idOf(b)]).socketsJoin("room");
  const bytes = Buffer.from([0, 255]);
  const answers = await apply(
    { do: "emit", event: "all", args: [1, { two: [2] }, bytes] },
    { do: "emit", event: "room", to: ["room"] },
    { do: "emit", event: "id", to: [idOf(c)], args: ["x"] },
    { do: "emit", event: "both", to: ["room", idOf(c)], except: [idOf(b)] },
    { do: "emit", event: "but", except: ["room"] },
    { do: "emit", event: "volatile", to: ["room"], volatile: true },
    { do: "emit", event: "nobody", to: ["no such room"] },
  );
  assert.deepEqual(answers, Array(7).fill({ ok: true }));
  await Promise.all([a, b, c].map(settle));
  const all = ["all", 1, { two: [2] }, bytes];
  assert.deepEqual(seen[0], [all, ["room"], ["both"], ["volatile"]]);
  assert.deepEqual(seen[1], [all, ["room"], ["volatile"]]);
  assert.deepEqual(seen[2], [all, ["id", "x"], ["both"], ["but"]]);
});

// A backend that found no recipients sent its private event to everyone, and `disconnectSockets`
// with an empty list disconnected everyone: the list was handed to Socket.IO, where io.to([]) is
// everyone.
test("an empty list of recipients is nobody, in every command; left out it is everyone", async () => {
  const client = await connect("msgpack");
  const seen = collect(client);
  client.on("ask", (done: (answer: unknown) => void) => done("asked"));
  const answers = await apply(
    { do: "emit", event: "to", to: [] },
    { do: "emit", event: "volatile", to: [], except: [], volatile: true },
    { do: "emitWithAck", event: "ask", to: [] },
    { do: "socketsJoin", in: [], rooms: ["x"] },
    { do: "socketsLeave", in: [], rooms: [idOf(client)] },
    { do: "fetchSockets", in: [] },
    { do: "disconnectSockets", in: [], close: true },
    { do: "emit", event: "refused", namespace: "/none", to: [] },
    { do: "emit", event: "except", except: [] },
    { do: "socketsJoin", rooms: [] },
    { do: "socketsLeave", rooms: [] },
  );
  const ok = { ok: true };
  assert.deepEqual(answers.slice(0, 2), [ok, ok]);
  assert.deepEqual(answers[2], { ok: true, answers: [], timedOut: [] });
  assert.deepEqual(answers.slice(3, 7), [ok, ok, { ok: true, sockets: [] }, ok]);
  assert.equal(answers[7]?.ok === false && answers[7].code, "COMMANDS_NO_NAMESPACE");
  assert.deepEqual(answers.slice(8), [ok, ok, ok]);
  await settle(client);
  assert.deepEqual(seen, [["except"]]);
  const [found] = await apply({ do: "fetchSockets" });
  assert.deepEqual(found?.ok && found.sockets?.map(({ rooms }) => rooms), [[idOf(client)]]);
});

test("whoever waits for moves alone does not wait for the acks of clients", async () => {
  const client = await connect();
  const asked = new Promise<() => void>((resolve) => client.on("ask", resolve));
  const { moved, results } = executor.start(
    [
      { do: "emitWithAck", event: "ask", timeoutMs: 60_000 },
      { do: "socketsJoin", in: [idOf(client)], rooms: ["moved"] },
    ],
    "upstream",
  );
  await moved;
  assert.deepEqual([...(gateway.io.of("/").adapter.rooms.get("moved") ?? [])], [idOf(client)]);
  (await asked)();
  assert.deepEqual(
    (await results).map(({ ok }) => ok),
    [true, true],
  );
});

test("emitWithAck names who answered what, and who did not in time", async () => {
  const [a, b, c] = [await connect(), await connect("msgpack"), await connect()];
  a.on("ask", (n: number, done: (answer: unknown) => void) => done({ n }));
  b.on("ask", (_n: number, done: (answer: unknown) => void) => done(Buffer.from([7])));
  const [answer] = await apply({ do: "emitWithAck", event: "ask", args: [5], timeoutMs: 2000 });
  assert.ok(answer?.ok && answer.answers);
  const byId = new Map(answer.answers.map((one) => [one.id, one.answer]));
  assert.deepEqual(byId.get(idOf(a)), { n: 5 });
  assert.deepEqual(byId.get(idOf(b)), Buffer.from([7]));
  assert.equal(byId.size, 2);
  assert.deepEqual(answer.timedOut, [idOf(c)]);
});

test("emitWithAck to nobody answers at once", async () => {
  assert.deepEqual(await apply({ do: "emitWithAck", event: "ask", to: ["none"] }), [
    { ok: true, answers: [], timedOut: [] },
  ]);
});

test("emitWithAck asks ackSocketsMax sockets and refuses to ask one more", async () => {
  const ask = () => apply({ do: "emitWithAck", event: "ask", timeoutMs: 1000 });
  for (let i = 0; i < LIMITS.ackSocketsMax; i++) {
    (await connect()).on("ask", (done: (answer: unknown) => void) => done(1));
  }
  const [most] = await ask();
  assert.equal(most?.ok && most.answers?.length, LIMITS.ackSocketsMax);
  let asked = 0;
  (await connect()).on("ask", () => asked++);
  const [over] = await ask();
  assert.ok(over && !over.ok);
  assert.equal(over.code, "COMMANDS_TOO_MANY_SOCKETS");
  assert.equal(asked, 0);
});

test("commands start in their order: what follows an emitWithAck arrives after it", async () => {
  const a = await connect("msgpack");
  const order: string[] = [];
  a.on("ask", (done: (answer: unknown) => void) => {
    order.push("ask");
    setTimeout(done, 20, "slow");
  });
  a.on("then", () => order.push("then"));
  const [first, second, third] = await apply(
    { do: "emitWithAck", event: "ask", timeoutMs: 5000 },
    { do: "emit", event: "then" },
    { do: "disconnectSockets", in: ["no one"] },
  );
  assert.deepEqual(first, { ok: true, answers: [{ id: a.id, answer: "slow" }], timedOut: [] });
  assert.deepEqual([second, third], [{ ok: true }, { ok: true }]);
  assert.deepEqual(order, ["ask", "then"]);
});

test("join, leave and disconnect act on exactly the matching sockets, before what follows", async () => {
  const [a, b, c] = [await connect(), await connect("msgpack"), await connect()];
  const seen = [a, b, c].map(collect);
  await apply(
    { do: "socketsJoin", in: [idOf(a), idOf(b)], rooms: ["x", "y"] },
    { do: "emit", to: ["x"], event: "one" },
    { do: "socketsLeave", in: ["y"], except: [idOf(b)], rooms: ["x"] },
    { do: "emit", to: ["x"], event: "two" },
    { do: "disconnectSockets", in: ["x"], close: false },
  );
  await until(() => b.disconnected, "b is disconnected");
  await Promise.all([a, c].map(settle));
  assert.deepEqual(seen, [[["one"]], [["one"], ["two"]], []]);
  await apply({ do: "disconnectSockets", close: true });
  await until(() => a.disconnected && c.disconnected, "everyone is disconnected");
});

test("fetchSockets pages through everyone once, sorted, and shows no credentials", async () => {
  const all = [await connect(), await connect(), await connect("msgpack")].map(idOf).sort();
  for (const socket of gateway.io.of("/").sockets.values()) socket.data.user = `u-${socket.id}`;
  const found: string[] = [];
  let after: string | undefined;
  for (let page = 0; page < 3; page++) {
    const [answer] = await apply({ do: "fetchSockets", limit: 1, after });
    assert.ok(answer?.ok && answer.sockets);
    assert.equal(answer.sockets.length, 1);
    const [socket] = answer.sockets;
    assert.deepEqual(socket?.data, { user: `u-${socket?.id}` });
    assert.deepEqual(socket?.rooms, [socket?.id]);
    assert.deepEqual(Object.keys(socket?.handshake ?? {}), [
      "address",
      "issued",
      "secure",
      "query",
    ]);
    found.push(socket?.id ?? "");
    after = answer.next;
    assert.equal(after, page < 2 ? socket?.id : undefined);
  }
  assert.deepEqual(found, all);
  const [narrow] = await apply({ do: "fetchSockets", in: [all[0] ?? "", "none"] });
  assert.equal(narrow?.ok && narrow.sockets?.length, 1);
});

test("rooms are listed with their sizes, without the ones named by sockets", async () => {
  const [a, b] = [await connect(), await connect()];
  await apply(
    { do: "socketsJoin", rooms: ["r2", "r1"] },
    { do: "socketsJoin", in: [idOf(a)], rooms: ["r3"] },
  );
  assert.equal(typeof idOf(b), "string");
  const first = await executor.rooms("/", { limit: 2 });
  assert.deepEqual(first, {
    items: [
      { room: "r1", sockets: 2 },
      { room: "r2", sockets: 2 },
    ],
    next: "r2",
  });
  assert.deepEqual(await executor.rooms("/", { limit: 2, after: "r2" }), {
    items: [{ room: "r3", sockets: 1 }],
  });
  assert.equal(await executor.rooms("/none", { limit: 2 }), undefined);
});

test("rooms that are numbers are listed by their texts, and each once", async () => {
  // Seen: pages of rooms went round in circles. A number is neither before nor after a text.
  const socket = await connect();
  const rooms: unknown[] = [10, "a", 9, "b", "9"];
  gateway.io.in(idOf(socket)).socketsJoin(rooms as string[]);
  const listed: string[] = [];
  let after: string | undefined;
  do {
    const page: Awaited<ReturnType<typeof executor.rooms>> = await executor.rooms("/", {
      limit: 1,
      after,
    });
    listed.push(...(page?.items.map(({ room }) => room) ?? []));
    after = page?.next;
  } while (after !== undefined && listed.length < 10);
  assert.deepEqual(listed, ["10", "9", "a", "b"]);
  const [answer] = await apply({ do: "fetchSockets", in: ["a"] });
  assert.ok(answer?.ok && answer.sockets);
  assert.deepEqual(answer.sockets[0]?.rooms, [idOf(socket), ...rooms.map(String)]);
});

test("a namespace nobody made is refused and not made by it; one of a pattern is not", async () => {
  const answers = await apply(
    { do: "emit", namespace: "/made-up", event: "x" },
    { do: "emit", event: "goes on" },
    { do: "emitWithAck", namespace: "/made-up", event: "x" },
    { do: "emit", namespace: "/tenant-7", event: "x" },
  );
  assert.deepEqual(
    answers.map((answer) => (answer.ok ? "ok" : answer.code)),
    ["COMMANDS_NO_NAMESPACE", "ok", "COMMANDS_NO_NAMESPACE", "ok"],
  );
  assert.equal(gateway.io._nsps.has("/made-up"), false);
});

// A backend that emitted to its teams, whether anybody was there or not, filled the memory with
// their namespaces, and at limits.dynamicNamespacesMax new ones did not exist for clients any more:
// each name that a pattern took was made, and nothing that clients had not asked for was ever given
// up.
test("commands make no namespace that nobody is in, and answer as one would", async () => {
  const namespace = "/tenant-8";
  const before = gateway.io._nsps.size;
  const answers = await apply(
    { do: "emit", namespace, event: "x" },
    { do: "socketsJoin", namespace, rooms: ["a"] },
    { do: "emitWithAck", namespace, event: "x" },
    { do: "fetchSockets", namespace },
    { do: "serverSideEmit", namespace, event: "x" },
  );
  const [, , asked, fetched, elsewhere] = answers;
  assert.deepEqual(answers.slice(0, 2), [{ ok: true }, { ok: true }]);
  assert.deepEqual(asked, { ok: true, answers: [], timedOut: [] });
  assert.deepEqual(fetched, { ok: true, sockets: [] });
  assert.equal(elsewhere?.ok === false && elsewhere.code, "COMMANDS_NO_CLUSTER");
  assert.deepEqual(await executor.rooms(namespace, { limit: 2 }), { items: [] });
  assert.equal(gateway.io._nsps.size, before);
  const client = await connect("json", namespace);
  const seen = collect(client);
  await apply({ do: "emit", namespace, event: "x" });
  await until(() => seen.length > 0, "whoever comes is there");
});

test("a namespace's commands stay in it", async () => {
  const tenant = await connect("json", "/tenant-3");
  const root = await connect();
  const [inTenant, inRoot] = [collect(tenant), collect(root)];
  await apply(
    { do: "emit", namespace: "/tenant-3", event: "t" },
    { do: "emit", namespace: "/", event: "r" },
  );
  await until(() => inTenant.length > 0, "the tenant's event");
  await settle(root);
  assert.deepEqual([inTenant, inRoot], [[["t"]], [["r"]]]);
});

test("serverSideEmit on a node that is alone is refused by name", async () => {
  const [answer] = await apply({ do: "serverSideEmit", event: "x" });
  assert.equal(answer?.ok === false && answer.code, "COMMANDS_NO_CLUSTER");
});

test("commands for a socket inside its connect hook are kept, then carried out in order, once", async () => {
  const namespace = "/tenant-9";
  const other = await watchClient(gateway.url + namespace);
  clients.push(other.socket);
  let held: ReturnType<Executor["hold"]> | undefined;
  let answers: CommandResult[] = [];
  gateway.io.of(namespace).use(async (socket, go) => {
    held = executor.hold(namespace, socket.id);
    answers = await apply(
      { do: "emit", namespace, to: [socket.id, "lobby"], event: "first", args: [1] },
      { do: "socketsJoin", namespace, in: [socket.id], rooms: ["lobby"] },
      { do: "emit", namespace, to: [socket.id], event: "one too many" },
      { do: "emit", namespace, event: "everyone" },
      { do: "fetchSockets", namespace, in: [socket.id] },
      { do: "emit", namespace: "/", to: [socket.id], event: "elsewhere" },
    );
    go();
  });
  gateway.io.of(namespace).on("connection", () => held?.release());
  await apply({ do: "socketsJoin", namespace, rooms: ["lobby"] });
  const late = await watchClient(gateway.url + namespace);
  clients.push(late.socket);
  await until(() => late.seen.length > 0, "the kept event");
  assert.deepEqual(
    answers.map((answer) => (answer.ok ? "ok" : answer.code)),
    ["ok", "ok", "COMMANDS_HELD_FULL", "ok", "ok", "ok"],
  );
  await apply({ do: "emit", namespace, to: ["lobby"], event: "last" });
  await until(() => late.seen.length > 1 && other.seen.length > 2, "the last event");
  assert.deepEqual(late.seen, [["first", 1], ["last"]]);
  assert.deepEqual(other.seen, [["first", 1], ["everyone"], ["last"]]);
});

test("dropped commands are never carried out, and the id is free again", async () => {
  const a = await connect();
  const seen = collect(a);
  const held = executor.hold("/", idOf(a));
  await apply({ do: "socketsJoin", in: [idOf(a)], rooms: ["kept"] });
  held.drop();
  held.release();
  await apply({ do: "emit", to: [idOf(a)], event: "now" });
  await settle(a);
  assert.deepEqual(seen, [["now"]]);
});

test("every command is counted by its name, caller and outcome", async () => {
  const own = createExecutor(LIMITS, { server: gateway.io, acks: createSamples(), delays });
  await own.apply([{ do: "emit", event: "x" }], "upstream");
  await own.apply([{ do: "emit", event: "x", namespace: "/no" }], "api");
  await own.apply([{ do: "emitWithAck", event: "x", to: ["none"] }], "api");
  assert.deepEqual(own.samples, {
    "emit upstream ok": 1,
    "emit api refused": 1,
    "emitWithAck api ok": 1,
  });
});

// A client that had left was waited for all the same, and the timer outlived gateway.stop(): asked
// with a minute's patience, the process stayed a minute.
test("who leaves while it is asked is waited for no longer", { timeout: 20_000 }, async () => {
  const [stays, goes] = [await connect(), await connect("msgpack")];
  const [kept, left] = [idOf(stays), idOf(goes)];
  stays.on("ask", (n, done) => done(n));
  const asked = Promise.all([
    apply({ do: "emitWithAck", event: "ask", args: [1], timeoutMs: 60_000 }),
    apply({ do: "emitWithAck", event: "ask", args: [2], timeoutMs: 60_000 }),
  ]);
  goes.once("ask", () => goes.disconnect());
  const answers = (await asked).flat();
  const expected = (answer: number) => ({ answers: [{ id: kept, answer }], timedOut: [left] });
  assert.deepEqual(
    answers,
    [1, 2].map((n) => ({ ok: true, ...expected(n) })),
  );
});

// 36 KB of 1,000 lists of sockets by a key that may only read ended or stalled the process: every
// list was gathered at once, whole, and all were kept until the last was there.
test("a request may look through requestSocketsMax sockets and finish that list; the next is refused", async () => {
  for (let i = 0; i < 3; i++) await connect();
  const limits = { ...LIMITS, requestSocketsMax: 6 };
  const own = createExecutor(limits, { server: gateway.io, acks: createSamples(), delays });
  const lists: Command[] = Array(1000).fill({ do: "fetchSockets", limit: 1 });
  const ask: Command = { do: "emitWithAck", event: "x" };
  const seen = collect(clients[0] ?? assert.fail());
  const answers = await own.apply([...lists, ask, { do: "emit", event: "goes on" }], "api");
  const codes = answers.map((answer) => (answer.ok ? "ok" : answer.code));
  const refused = Array(999).fill("COMMANDS_TOO_MANY_LISTED");
  assert.deepEqual(codes, ["ok", "ok", ...refused, "ok"]);
  const again = await own.apply(lists.slice(0, 2), "api");
  assert.ok(
    again.every(({ ok }) => ok),
    "each request has its own",
  );
  await until(() => seen.length > 0, "what is no list is carried out");
  assert.deepEqual(seen, [["goes on"]]);
});

// Seen: 1,000 lists of everyone but a room that everyone is in walked all sockets a thousand times.
// Only what was found was counted, and that was nobody.
test("sockets that are looked through and left out count as well", async () => {
  for (let i = 0; i < 3; i++) await connect();
  gateway.io.socketsJoin("all");
  const limits = { ...LIMITS, requestSocketsMax: 6 };
  const own = createExecutor(limits, { server: gateway.io, acks: createSamples(), delays });
  const left = { except: ["all"] };
  for (const [command, fits] of [
    [{ do: "fetchSockets", ...left }, 1],
    [{ do: "emitWithAck", event: "x", ...left }, 1],
    [{ do: "fetchSockets", in: ["all"], ...left }, 1],
    [{ do: "fetchSockets", in: ["nobody"], ...left }, 2],
    [{ do: "fetchSockets", in: ["nobody"] }, 4],
  ] as [Command, number][]) {
    const answers = await own.apply(Array<Command>(4).fill(command), "api");
    const found = answers.findIndex(({ ok }) => !ok);
    assert.equal(found < 0 ? 4 : found, fits, JSON.stringify(command));
  }
});

test("lists begin one in a turn of the event loop, whoever asks, and in their order", async () => {
  const socket = await connect();
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns++;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  const list: Command = { do: "fetchSockets", in: ["later"] };
  const requests = Array.from({ length: 10 }, () => apply(...Array<Command>(10).fill(list)));
  const rooms = executor.rooms("/", { limit: 1 });
  const ordered = apply(
    list,
    { do: "socketsJoin", in: [idOf(socket)], rooms: ["later"] },
    list,
    { do: "socketsLeave", in: [idOf(socket)], rooms: ["later"] },
    list,
  );
  const [, answers] = await Promise.all([Promise.all(requests), ordered, rooms]);
  over = true;
  assert.ok(turns >= 103, `${turns} turns`);
  const found = answers.map((answer) => answer.ok && answer.sockets?.length);
  assert.deepEqual(found, [0, undefined, 1, undefined, 0]);
});

test("listsWaitingMax lists wait for their turn, one more is refused to be tried again", async () => {
  const limits = { ...LIMITS, listsWaitingMax: 5 };
  const own = createExecutor(limits, { server: gateway.io, acks: createSamples(), delays });
  const list = () => own.apply([{ do: "fetchSockets" }], "api");
  // One is at once, five wait.
  const answers = (await Promise.all(Array.from({ length: 8 }, list))).flat();
  const codes = answers.map((answer) => (answer.ok ? "ok" : answer.code));
  assert.deepEqual(codes, [...Array(6).fill("ok"), "COMMANDS_BUSY", "COMMANDS_BUSY"]);
  await new Promise((resolve) => setImmediate(resolve));
  const rooms = Array.from({ length: 8 }, () => own.rooms("/", { limit: 1 }));
  const told = (await Promise.allSettled(rooms)).filter(({ status }) => status === "rejected");
  assert.equal(told.length, 2);
  assert.ok((await list())[0]?.ok, "the line is free again");
});

test("listedSocketsMax sockets are held for answers that wait, and let go with them", async () => {
  const client = await connect();
  const limits = { ...LIMITS, listedSocketsMax: 1 };
  const own = createExecutor(limits, { server: gateway.io, acks: createSamples(), delays });
  const list: Command = { do: "fetchSockets" };
  let answer: (done: string) => void = () => {};
  client.on("ask", (done) => {
    answer = done;
  });
  const asked = new Promise((resolve) => client.once("ask", resolve));
  const ask: Command = { do: "emitWithAck", event: "ask", timeoutMs: 60_000 };
  const first = own.apply([ask], "api");
  await asked;
  const listed = own.apply([list, ask], "api");
  const [held, more] = await listed;
  assert.deepEqual([held?.ok, more?.ok === false && more.code], [true, "COMMANDS_BUSY"]);
  assert.ok((await own.apply([list], "api"))[0]?.ok, "its request is over");
  answer("done");
  await first;
  assert.ok((await own.apply([list], "api"))[0]?.ok);
});

test("acksPendingMax bounds what all questions await, and every way they end is counted", async () => {
  const [stays, goes, silent] = [await connect(), await connect("msgpack"), await connect()];
  const acks = createSamples();
  const limits = { ...LIMITS, acksPendingMax: 4 };
  const own = createExecutor(limits, { server: gateway.io, acks, delays });
  const ask = (timeoutMs: number, args: unknown[] = []): Promise<CommandResult[]> =>
    own.apply([{ do: "emitWithAck", event: "ask", args, timeoutMs }], "api");
  const dones = new Map<Socket, (answer: number) => void>();
  for (const client of [stays, goes, silent]) {
    client.on("ask", (done) => void dones.set(client, done));
  }
  const first = ask(1000);
  await until(() => dones.size === 3, "all are asked");
  const [over] = await ask(1000);
  assert.equal(over?.ok === false && over.code, "COMMANDS_ACKS_FULL");
  goes.disconnect();
  dones.get(stays)?.(1);
  const [answer] = await first;
  assert.ok(answer?.ok);
  assert.deepEqual(
    answer.answers?.map(({ answer: given }) => given),
    [1],
  );
  assert.equal(answer.timedOut?.length, 2);
  assert.deepEqual([acks.acksPending, acks.acksMissed, acks.acksRefused], [0, 2, 1]);
  const [broken] = await ask(60_000, [1n]);
  assert.equal(broken?.ok === false && broken.code, "COMMANDS_FAILED");
  assert.equal(acks.acksPending, 0);
  for (const socket of gateway.io.sockets.sockets.values()) {
    // Socket.IO's own map.
    assert.equal((socket as unknown as { acks: Map<number, unknown> }).acks.size, 0);
  }
});
