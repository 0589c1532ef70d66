// Seen: a listener, middleware, ack or async handler that threw ended the gateway, and every client with it.
// The old code left Socket.IO to call them, from events of the process where nobody can catch.
import assert from "node:assert/strict";
import { EventEmitter, on, once } from "node:events";
import { type TestContext, test } from "node:test";
import type { Server } from "socket.io";
import type { Socket } from "socket.io-client";
import { FAILURES } from "../../src/core/failures.ts";
import type { HandlerKind } from "../../src/core/handler.ts";
import type { LogFields } from "../../src/core/log.ts";
import { type ClientOptions, type TestGateway, testGateway } from "../harness/gateway.ts";
import { ask, UPGRADE } from "../harness/http.ts";
import { next, until } from "../harness/wait.ts";

const boom = (): never => {
  throw new Error("boom");
};
const reject = async (): Promise<never> => {
  await null;
  return boom();
};
const FAILED = {
  code: "HANDLERS_FAILED",
  message: FAILURES.HANDLERS_FAILED.text,
  retry: false,
};

interface Told extends LogFields {
  readonly kind: HandlerKind;
}

/** A gateway and what it logged of mistakes. */
async function mistakenGateway(t: TestContext, settings = {}) {
  const told: Told[] = [];
  const log = (_level: string, fields: LogFields, text: string): void => {
    if (fields.component === "handlers") told.push({ ...fields, text } as LogFields as Told); // it has a kind
  };
  return { gateway: await testGateway(t, settings, { log }), told };
}

/** Resolves with a new client, what is called `echo` works for it. */
async function enter(gateway: TestGateway, options: ClientOptions = {}): Promise<Socket> {
  const client = await gateway.connected(options);
  assert.equal(await client.timeout(5000).emitWithAck("echo", 1), 1);
  return client;
}

const emits = (name: string) => (client: Socket) => client.emit(name, 1);

/** Each way in which the application's own code is called, made to fail. */
const CALLS: Record<
  string,
  {
    readonly kind: HandlerKind;
    readonly event: string | undefined;
    readonly register: (io: Server, fails: () => unknown) => void;
    readonly act?: (client: Socket, gateway: TestGateway) => unknown;
    /** Socket.IO drops its promise: then it is one that nobody waits for. */
    readonly throwsOnly?: true;
  }
> = {
  "a listener": {
    kind: "event",
    event: "odd",
    register: (io, fails) => io.on("connection", (socket) => socket.on("odd", fails)),
    act: emits("odd"),
  },
  "a listener for once": {
    kind: "event",
    event: "odd",
    register: (io, fails) => io.on("connection", (socket) => socket.once("odd", fails)),
    act: emits("odd"),
  },
  "a catch-all listener": {
    kind: "any",
    event: "odd",
    register: (io, fails) => io.on("connection", (socket) => socket.onAny(oddly(fails))),
    act: emits("odd"),
  },
  "a catch-all listener of what is sent": {
    kind: "any",
    event: "told",
    register: (io, fails) => io.on("connection", (socket) => socket.onAnyOutgoing(fails)),
    act: (_, { io }) => io.emit("told", 1),
  },
  "a middleware of a socket": {
    kind: "middleware",
    event: "odd",
    register: (io, fails) =>
      io.on("connection", (socket) =>
        socket.use(([event], go) => (event === "odd" ? (fails() as undefined) : go())),
      ),
    act: emits("odd"),
  },
  "an `error` listener": {
    kind: "event",
    event: "error",
    register: (io, fails) =>
      io.on("connection", (socket) => {
        socket.use(([event], go) => go(event === "odd" ? new Error("no") : undefined));
        socket.on("error", () => fails());
      }),
    act: emits("odd"),
  },
  "a callback of an ack": {
    kind: "ack",
    event: "ack",
    register: (io, fails) =>
      io.on("connection", (socket) =>
        socket.on("odd", () => void socket.emit("ask", () => fails())),
      ),
    act: emits("odd"),
  },
  "a callback of an ack that is late": {
    kind: "ack",
    event: "ack",
    register: (io, fails) =>
      io.on("connection", (socket) =>
        socket.on("odd", () => void socket.timeout(1).emit("nobody answers", () => fails())),
      ),
    act: emits("odd"),
  },
  "a callback of a broadcast's acks": {
    kind: "ack",
    event: "ack",
    register: (io, fails) =>
      io.on("connection", (socket) =>
        socket.on("odd", () => void io.timeout(5000).emit("ask", () => fails())),
      ),
    act: emits("odd"),
    throwsOnly: true,
  },
  "a `connection` listener": {
    kind: "connection",
    event: "connection",
    register: (io, fails) => io.on("connection", () => fails() as undefined),
  },
  "a listener to events of other nodes": {
    kind: "server_side",
    event: "odd",
    register: (io, fails) => io.on("odd", fails),
    act: (_, { io }) =>
      (io.of("/") as unknown as { _onServerSideEmit(e: unknown[]): void })._onServerSideEmit([
        "odd",
      ]),
  },
  "a listener to rooms": {
    kind: "room",
    event: "join-room",
    register: (io, fails) =>
      io.of("/").adapter.on("join-room", (room) => (room === "odd" ? fails() : undefined)),
    act: (_, { io }) => io.socketsJoin("odd"),
  },
  "a listener to packets of the connection": {
    kind: "engine",
    event: "packet",
    register: (io, fails) => io.on("connection", ({ conn }) => conn.once("packet", fails)),
    act: emits("odd"),
  },
  "a listener to handshakes": {
    kind: "engine",
    event: "initial_headers",
    register: (io, fails) => io.engine.on("initial_headers", fails),
  },
};

/** Catches all, and fails for one. */
const oddly = (fails: () => unknown) => (event: string) => {
  if (event === "odd") return fails();
  return undefined;
};

for (const [what, { kind, event, register, act, throwsOnly }] of Object.entries(CALLS)) {
  for (const [how, fails] of Object.entries({ throws: boom, rejects: reject })) {
    if (throwsOnly && how === "rejects") continue;
    test(`${what} that ${how} is logged and counted, and closes nothing`, async (t) => {
      const { gateway, told } = await mistakenGateway(t);
      register(gateway.io, fails);
      gateway.io.on("connection", (socket) => socket.on("echo", (value, ack) => ack(value)));
      const client = await enter(gateway);
      client.on("ask", (answer) => answer());
      act?.(client, gateway);
      await until(() => told.length > 0, "a line");
      assert.equal(told[0]?.kind, kind);
      assert.equal(told[0]?.event, event);
      assert.match(String(told[0]?.stack), /^Error: boom\n +at .*mistakes\.test/);
      if (kind !== "engine" && kind !== "connection" && kind !== "server_side" && kind !== "room") {
        assert.equal(told[0]?.namespace, "/");
        assert.equal(told[0]?.socket, client.id);
      }
      assert.ok((await gateway.metric("sluice_handler_errors_total", { kind })) > 0);
      assert.equal(await client.timeout(5000).emitWithAck("echo", 2), 2);
      await enter(gateway, { transports: ["polling"] });
      assert.equal(await gateway.metric("sluice_connections_closed_total"), 0);
    });
  }
}

for (const codec of ["msgpack", "json"] as const) {
  test(`a ${codec} client that waits for an answer gets a named error, once`, async (t) => {
    const { gateway } = await mistakenGateway(t);
    gateway.io.on("connection", (socket) => {
      socket.on("throws", boom);
      socket.on("rejects", reject);
      socket.on("answers with what no codec can say", (ack) => ack(Symbol("s"), 5n));
      socket.on("answers and throws", (ack) => {
        ack("fine");
        boom();
      });
      socket.on("hidden", (ack) => ack("fine"));
      socket.onAny(oddly(boom));
      socket.use(([event], go) => (event === "guarded" ? boom() : go()));
      socket.on("guarded", (ack) => ack("let in"));
    });
    const client = await gateway.connected({ codec });
    const ask = (event: string) => client.timeout(5000).emitWithAck(event);
    for (const event of ["throws", "rejects", "guarded", "answers with what no codec can say"]) {
      assert.deepEqual(await ask(event), { error: FAILED }, event);
    }
    assert.equal(await ask("answers and throws"), "fine");
    assert.equal(await ask("hidden"), "fine");
  });
}

test("a catch-all listener that fails answers only where nobody else does", async (t) => {
  const { gateway } = await mistakenGateway(t);
  gateway.io.on("connection", (socket) => {
    socket.onAny(boom);
    socket.on("known", (ack) => ack("fine"));
  });
  const client = await gateway.connected();
  assert.equal(await client.timeout(5000).emitWithAck("known"), "fine");
  assert.deepEqual(await client.timeout(5000).emitWithAck("unknown"), { error: FAILED });
});

test("listeners after one that failed are called all the same, at the end of a socket, too", async (t) => {
  const { gateway, told } = await mistakenGateway(t);
  const heard: string[] = [];
  gateway.io.on("connection", (socket) => {
    for (const event of ["odd", "disconnecting", "disconnect"]) {
      socket.on(event, boom);
      socket.on(event, () => void heard.push(event));
    }
  });
  const client = await gateway.connected();
  client.emit("odd");
  client.disconnect();
  await until(() => heard.length === 3, "all three");
  assert.deepEqual(heard, ["odd", "disconnecting", "disconnect"]);
  assert.equal(await gateway.metric("sluice_handler_errors_total", { kind: "disconnect" }), 2);
  assert.equal(told.find(({ kind }) => kind === "disconnect")?.event, "disconnecting");
  assert.equal(gateway.io.of("/").sockets.size, 0);
  assert.equal(gateway.io.of("/").adapter.rooms.size, 0);
});

for (const [how, fails] of Object.entries({ throws: boom, rejects: reject })) {
  test(`a namespace's middleware that ${how} refuses its client, in words that say nothing`, async (t) => {
    const { gateway, told } = await mistakenGateway(t);
    gateway.io.of("/odd").use(() => fails());
    gateway.io.of("/odd").use((_, go) => go());
    const client = gateway.client({ namespace: "/odd" });
    const [error] = await next<[Error & { data: unknown }]>(client.connect(), "connect_error");
    assert.equal(error.message, FAILED.message);
    assert.deepEqual(error.data, { code: FAILED.code, retry: false });
    assert.equal(told[0]?.namespace, "/odd");
    assert.equal(gateway.io.of("/odd").sockets.size, 0);
  });

  test(`a function that answers for a namespace and ${how} says no`, async (t) => {
    const { gateway, told } = await mistakenGateway(t);
    gateway.io.of(() => fails() as unknown as undefined);
    const client = gateway.client({ namespace: "/odd" });
    const [error] = await next<[Error]>(client.connect(), "connect_error");
    assert.equal(error.message, "Invalid namespace");
    assert.equal(told[0]?.namespace, "/odd");
    await gateway.connected();
  });

  test(`an \`allowRequest\` that ${how} refuses the request`, async (t) => {
    // Seen: the request was never answered, and nothing said why. engine.io calls it, and nobody there
    // looks at what it returns.
    const { gateway, told } = await mistakenGateway(t);
    const { opts } = gateway.io.engine as unknown as { opts: { allowRequest?: unknown } };
    opts.allowRequest = fails;
    for (const [transport, headers] of Object.entries({ polling: {}, websocket: UPGRADE })) {
      const url = `${gateway.url}/socket.io/?EIO=4&transport=${transport}`;
      const { status, body } = await ask(url, { headers });
      assert.equal(status, 403);
      assert.deepEqual(JSON.parse(body), { code: 4, message: FAILED.message });
    }
    assert.deepEqual([told[0]?.kind, told[0]?.event], ["engine", "allowRequest"]);
    delete opts.allowRequest;
    await gateway.connected();
  });

  test(`a \`generateId\` that ${how} refuses the handshake`, async (t) => {
    // Seen: 400 for everyone, and no line of why. The engine told its own listeners alone.
    const { gateway, told } = await mistakenGateway(t);
    const { engine } = gateway.io as unknown as { engine: { generateId?: unknown } };
    engine.generateId = fails;
    const { status } = await ask(`${gateway.url}/socket.io/?EIO=4&transport=polling`);
    assert.equal(status, 400);
    assert.deepEqual([told[0]?.kind, told[0]?.event], ["engine", "generateId"]);
    assert.match(String(told[0]?.stack), /boom/);
    delete engine.generateId; // its own, of the class, is below
    await gateway.connected();
  });

  test(`an engine's middleware that ${how} refuses the request`, async (t) => {
    const { gateway, told } = await mistakenGateway(t);
    gateway.io.engine.use((req: { _query: { odd?: string } }, _res: unknown, go: () => void) =>
      req._query.odd ? fails() : go(),
    );
    const answer = await fetch(`${gateway.url}/socket.io/?EIO=4&transport=polling&odd=1`);
    assert.equal(answer.status, 400);
    assert.equal(told[0]?.kind, "engine");
    await gateway.connected();
  });
}

test("what a middleware says first counts: a refusal that is followed by `next()` stays one", async (t) => {
  const { gateway } = await mistakenGateway(t);
  let connections = 0;
  gateway.io.on("connection", () => void connections++);
  gateway.io.use((socket, go) => {
    if (socket.handshake.auth.bad) go(new Error("no"));
    go();
    go();
  });
  const client = gateway.client({ auth: { bad: true } });
  const [error] = await next<[Error]>(client.connect(), "connect_error");
  assert.equal(error.message, "no");
  await gateway.connected();
  assert.equal(connections, 1);
  assert.equal(gateway.io.of("/").sockets.size, 1);
});

test("a refusal whose data no codec can say is one without it", async (t) => {
  const { gateway, told } = await mistakenGateway(t);
  gateway.io.use((_, go) => go(Object.assign(new Error("no"), { data: { id: 5n } })));
  const client = gateway.client({ codec: "json" });
  const [error] = await next<[Error]>(client.connect(), "connect_error");
  assert.equal(error.message, FAILED.message);
  assert.match(String(told[0]?.stack), /BigInt/);
});

test("whatever was thrown is told, cut, and ends nothing", async (t) => {
  const hostile = {
    get stack() {
      return boom();
    },
  };
  const huge = new Error("x".repeat(1_000_000));
  const caused = new Error("outer", { cause: new Error("inner") });
  const thrown: [unknown, RegExp][] = [
    ["text", /^text \(no stack\)$/],
    [undefined, /^undefined/],
    [Symbol("s"), /^Symbol\(s\)/],
    [Object.create(null), /cannot be shown/],
    [hostile, /cannot be shown/],
    [new Proxy(new Error("p"), { get: boom }), /cannot be shown/],
    [huge, /^Error: x{7000}/],
    [caused, /outer[\s\S]*caused by Error: inner/],
  ];
  for (const [value, text] of thrown) {
    const { gateway, told } = await mistakenGateway(t);
    gateway.io.on("connection", (socket) => {
      socket.on("x".repeat(250), () => {
        throw value;
      });
    });
    const client = await gateway.connected();
    const answer = await client.timeout(5000).emitWithAck("x".repeat(250));
    assert.deepEqual(answer, { error: FAILED });
    assert.match(String(told[0]?.stack), text);
    assert.ok(String(told[0]?.stack).length <= 8000);
    assert.equal(String(told[0]?.event).length, 200);
  }
});

test("a flood of mistakes is counted in full, and is one line a second", async (t) => {
  const { gateway, told } = await mistakenGateway(t);
  gateway.io.on("connection", (socket) => {
    socket.on("odd", boom);
    socket.on("last", (ack) => ack());
  });
  const client = await gateway.connected();
  for (let i = 0; i < 100; i++) client.emit("odd");
  await client.timeout(5000).emitWithAck("last");
  assert.equal(await gateway.metric("sluice_handler_errors_total", { kind: "event" }), 100);
  assert.ok(told.length < 100);
});

test("listeners keep their identity: off, once, listeners, prepending, symbols, events.on", async (t) => {
  const { gateway } = await mistakenGateway(t);
  const { client, socket } = await gateway.joined();
  const heard: string[] = [];
  const first = () => void heard.push("first");
  const second = () => void heard.push("second");
  socket.on("e", second).prependListener("e", first);
  socket.prependOnceListener("e", boom);
  assert.deepEqual(socket.listeners("e"), [boom, first, second]);
  const iterated = on(socket, "e");
  const awaited = once(socket, "e");
  client.emit("e", 7);
  assert.deepEqual(await awaited, [7]);
  assert.deepEqual((await iterated.next()).value, [7]);
  await iterated.return?.();
  assert.deepEqual(heard, ["first", "second"]);
  assert.deepEqual(socket.listeners("e"), [first, second]);
  socket.removeListener("e", first).off("e", second);
  assert.equal(socket.listenerCount("e"), 0);
  let monitored: unknown;
  socket.on(EventEmitter.errorMonitor as unknown as string, (error) => (monitored = error)); // any name
  socket.removeAllListeners("error");
  client.emit("error", "of the client's");
  await until(() => monitored === "of the client's", "the monitor");
});
