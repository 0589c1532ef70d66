import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BadCommand,
  COMMAND_NAMES,
  COMMANDS,
  COMMAND_LIMITS as L,
  readCommand,
  readCommands,
} from "../../src/core/commands.ts";
import { toTaggedJson } from "../../src/core/value.ts";

const emit = (more: object = {}) => ({ do: "emit", event: "news", ...more });

function refusal(run: () => unknown): { index: number; path: string; bound: string } {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof BadCommand, String(error));
    assert.equal(error.code, "COMMANDS_BAD");
    return { index: error.index, path: error.path, bound: error.bound };
  }
  throw new Error("was accepted");
}

const nested = (levels: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 ? [value] : { value };
  return value;
};

test("every example of the design is accepted and comes back as it was written", () => {
  const batch = [
    {
      do: "emit",
      namespace: "/",
      to: ["room"],
      except: ["id"],
      event: "news",
      args: [1, { a: 2 }],
      volatile: false,
    },
    { do: "emitWithAck", namespace: "/", to: ["room"], event: "ask", args: [], timeoutMs: 5000 },
    { do: "socketsJoin", in: ["room or socket id"], rooms: ["b"] },
    { do: "socketsLeave", in: ["room or socket id"], rooms: ["b"] },
    { do: "disconnectSockets", in: ["room or socket id"], close: false },
    { do: "fetchSockets", in: ["room"], limit: 1000 },
    { do: "serverSideEmit", event: "x", args: [] },
    { do: "cancel", namespace: "/", key: "reminder" },
  ];
  assert.deepEqual(readCommands(structuredClone(batch)), batch);
  assert.deepEqual(COMMAND_NAMES, Object.keys(COMMANDS));
  assert.deepEqual(
    batch.map((command) => command.do),
    COMMAND_NAMES,
  );
});

test("a bad command names its index, its path and the bound", () => {
  const cases: [unknown, string, RegExp][] = [
    [null, "", /expected object/],
    ["emit", "", /expected object/],
    [{}, "do", /must be one of emit, /],
    [{ do: "emitt", event: "x" }, "do", /must be one of emit, /],
    [{ do: "emit" }, "event", /expected string/],
    [emit({ event: 5 }), "event", /expected string/],
    [emit({ event: { toString: "x" } }), "event", /expected string/],
    [emit({ event: "" }), "event", />=1/],
    [emit({ event: "disconnect" }), "event", /reserved/],
    [emit({ event: "connect_error" }), "event", /reserved/],
    [emit({ to: "room" }), "to", /expected array/],
    [emit({ to: ["a", 7] }), "to.1", /expected string/],
    [emit({ to: ["a", ""] }), "to.1", />=1/],
    [emit({ rooms: ["a"] }), "rooms", /no such key/],
    [emit({ in: ["a"] }), "in", /no such key/],
    [emit({ namespace: "chat" }), "namespace", /start with \//],
    [emit({ namespace: "/a,b" }), "namespace", /comma/],
    [emit({ namespace: "/a\x1fb" }), "namespace", /control/],
    [emit({ args: "x" }), "args", /expected array/],
    [emit({ args: [{ $binary: "?" }] }), "args.0.$binary", /base64/],
    [emit({ args: [{ deep: [{ $binary: 5 }] }] }), "args.0.deep.0.$binary", /base64/],
    [emit({ args: [JSON.parse('{"__proto__":{"a":1}}')] }), "args.0.__proto__", /usable key/],
    [emit({ args: [JSON.parse('{"__proto__":1}')] }), "args.0.__proto__", /usable key/],
    [emit({ args: [{ x: { _placeholder: true, num: 0 } }] }), "args.0.x._placeholder", /usable/],
    [{ do: "socketsJoin", rooms: [""] }, "rooms.0", />=1/],
    [emit({ to: null }), "to", /expected array/],
    [{ do: "serverSideEmit", event: "connection" }, "event", /reserved/],
    [{ do: "fetchSockets", limit: 1.5 }, "limit", /int/],
    [emit({ key: "k" }), "key", /afterMs/],
    [emit({ afterMs: 0 }), "afterMs", />=1/],
    [emit({ afterMs: 1, key: "" }), "key", />=1/],
    [{ do: "emitWithAck", event: "x", afterMs: 1 }, "afterMs", /no such key/],
    [{ do: "fetchSockets", afterMs: 1 }, "afterMs", /no such key/],
    [{ do: "cancel", key: "k", afterMs: 1 }, "afterMs", /no such key/],
    [{ do: "cancel" }, "key", /expected string/],
  ];
  for (const [command, path, bound] of cases) {
    const found = refusal(() => readCommands([emit(), command]));
    assert.deepEqual([found.index, found.path], [1, path], JSON.stringify(command));
    assert.match(found.bound, bound, JSON.stringify(command));
  }
  assert.match(refusal(() => readCommands({ do: "emit", event: "x" })).bound, /list/);
});

test("every command that waits for no answer may be carried out later, with a key or without", () => {
  const later = { afterMs: 1000, key: "k" };
  const commands = [
    emit(later),
    emit({ afterMs: 1 }),
    { do: "socketsJoin", rooms: ["a"], ...later },
    { do: "socketsLeave", rooms: ["a"], ...later },
    { do: "disconnectSockets", ...later },
    { do: "serverSideEmit", event: "x", ...later },
  ];
  assert.deepEqual(readCommands(structuredClone(commands)), commands);
});

test("every bound holds at its maximum and refuses one more", () => {
  const list = (n: number) => Array.from({ length: n }, (_, i) => `r${i}`);
  const bounds: [string, number, (n: number) => unknown][] = [
    ["event", L.eventCharsMax, (n) => emit({ event: "e".repeat(n) })],
    ["to", L.roomsMax, (n) => emit({ to: list(n) })],
    ["except", L.roomsMax, (n) => emit({ except: list(n) })],
    ["to.0", L.roomCharsMax, (n) => emit({ to: ["r".repeat(n)] })],
    ["namespace", L.namespaceCharsMax, (n) => emit({ namespace: `/${"n".repeat(n - 1)}` })],
    ["args", L.argsMax, (n) => emit({ args: list(n) })],
    ["timeoutMs", L.ackTimeoutMsMax, (timeoutMs) => ({ do: "emitWithAck", event: "x", timeoutMs })],
    ["limit", L.fetchMax, (limit) => ({ do: "fetchSockets", limit })],
    ["afterMs", L.afterMsMax, (afterMs) => emit({ afterMs })],
    ["key", L.keyCharsMax, (n) => emit({ afterMs: 1, key: "k".repeat(n) })],
    ["key", L.keyCharsMax, (n) => ({ do: "cancel", key: "k".repeat(n) })],
    ["rooms", L.roomsMax, (n) => ({ do: "socketsJoin", rooms: list(n) })],
  ];
  for (const [path, max, make] of bounds) {
    assert.ok(readCommand(make(max)), path);
    assert.equal(refusal(() => readCommand(make(max + 1))).path, path);
  }
  assert.equal(readCommands(Array(L.batchMax).fill(emit())).length, L.batchMax);
  assert.equal(refusal(() => readCommands(Array(L.batchMax + 1).fill(emit()))).index, L.batchMax);
});

test("arguments may nest depthMax levels, their list included, and not one more", () => {
  assert.ok(readCommand(emit({ args: [nested(L.depthMax - 1)] })));
  const found = refusal(() => readCommand(emit({ args: [nested(L.depthMax)] })));
  assert.match(found.bound, /too deep/);
  const bomb = JSON.parse(`{"do":"emit","event":"x","args":${"[".repeat(2e5)}${"]".repeat(2e5)}}`);
  assert.match(refusal(() => readCommand(bomb)).bound, /too deep/);
});

test("arguments may hold binariesMax values of bytes, in either notation, and not one more", () => {
  const spelled = (n: number) => emit({ args: [Array(n).fill({ $binary: "AA==" })] });
  assert.ok(readCommand(structuredClone(spelled(L.binariesMax))));
  const found = refusal(() => readCommand(spelled(L.binariesMax + 1)));
  assert.deepEqual([found.path, /too many/.test(found.bound)], [`args.0.${L.binariesMax}`, true]);
  const packed = (n: number) => emit({ args: Array.from({ length: n }, () => new Uint8Array(1)) });
  assert.ok(readCommand(packed(L.binariesMax), "msgpack"));
  assert.match(refusal(() => readCommand(packed(L.binariesMax + 1), "msgpack")).bound, /too many/);
});

test("bytes written as $binary arrive as Buffers, at any depth, in JSON notation only", () => {
  const spelled = () => ({
    a: [{ $binary: "AQID" }],
    b: { $binary: "" },
    c: { $binary: "x", d: 1 },
  });
  const command = readCommand(emit({ args: [spelled(), { $binary: "/+8=" }] }));
  assert.ok(command.do === "emit");
  assert.deepEqual(command.args, [
    { a: [Buffer.from([1, 2, 3])], b: Buffer.alloc(0), c: { $binary: "x", d: 1 } },
    Buffer.from([0xff, 0xef]),
  ]);
  assert.deepEqual(toTaggedJson(command.args), [spelled(), { $binary: "/+8=" }]);
  const packed = readCommand(emit({ args: [spelled()] }), "msgpack");
  assert.ok(packed.do === "emit");
  assert.deepEqual(packed.args, [spelled()]);
});

test("bytes in answers are spelled from the view they are, not from its whole buffer", () => {
  const bytes = new Uint8Array([9, 1, 2, 9]);
  assert.deepEqual(toTaggedJson({ at: bytes.subarray(1, 3), of: bytes.buffer.slice(0, 1) }), {
    at: { $binary: "AQI=" },
    of: { $binary: "CQ==" },
  });
  const date = new Date(0);
  assert.equal(toTaggedJson(date), date);
});
