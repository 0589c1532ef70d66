import assert from "node:assert/strict";
import { test } from "node:test";
import {
  changesData,
  keepVersion,
  patchData,
  setVersion,
  sizeOf,
  versionOf,
} from "../../src/core/socket-state.ts";

type Patch = Readonly<Record<string, unknown>>;

/** Returns data after a patch. */
function patched(data: unknown, patch: Patch, bytesMax = 1000): unknown {
  const socket = { data };
  assert.equal(patchData(socket, { data: patch }, { order: 1, bytesMax }), "done");
  return socket.data;
}

// The examples of RFC 7396, appendix A, in which both are objects.
for (const [original, patch, result] of [
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [["a", "b"], { a: "foo", b: null }, { a: "foo" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
] as const) {
  test(`${JSON.stringify(original)} patched with ${JSON.stringify(patch)} is as RFC 7396 says`, () => {
    assert.deepEqual(patched(structuredClone(original), patch), result);
  });
}

test("objects are changed in place, so that who holds one sees the patch and keeps its own changes", () => {
  const cart: Record<string, unknown> = { items: 1 };
  const data: Record<string, unknown> = { cart };
  const socket = { data: data as unknown };
  data.seen = true;
  patchData(socket, { data: { cart: { items: 2 } } }, { order: 1, bytesMax: 1000 });
  cart.note = "mine";
  assert.equal(socket.data, data);
  assert.deepEqual(data, { cart: { items: 2, note: "mine" }, seen: true });
});

test("what a class has made, or what is frozen, is replaced by a plain object with the patch", () => {
  class Cart {
    items = 1;
    note = "old";
  }
  const data = {
    cart: new Cart(),
    fixed: Object.freeze({ a: 1 }),
    at: new Date(0),
    bytes: Buffer.of(1),
  };
  const patch = { cart: { items: 2 }, fixed: { b: 2 }, at: { c: 3 }, bytes: { d: 4 } };
  assert.deepEqual(patched(data, patch), {
    ...{ cart: { items: 2, note: "old" }, fixed: { a: 1, b: 2 }, at: { c: 3 }, bytes: { d: 4 } },
  });
  assert.deepEqual(patched(Object.freeze({ a: 1 }), { b: 2 }), { a: 1, b: 2 });
  assert.deepEqual(patched(undefined, { b: 2 }), { b: 2 });
});

test("keys of the prototype are keys like others", () => {
  const hostile = JSON.parse(
    '{"__proto__":{"x":1},"constructor":{"prototype":{"x":1}},"toString":null}',
  );
  const data = patched({}, hostile) as Record<string, unknown>;
  assert.equal(Reflect.get({}, "x"), undefined);
  assert.equal(Object.getPrototypeOf(data), Object.prototype);
  assert.deepEqual(Object.keys(data), ["__proto__", "constructor"]);
  assert.deepEqual(data.constructor, { prototype: { x: 1 } });
  assert.equal(typeof data.toString, "function");
});

test("data at the limit are taken, and one byte more leaves them as they were", () => {
  const full = { text: "é".repeat(10) };
  const bytesMax = sizeOf(full);
  assert.equal(bytesMax, Buffer.byteLength(JSON.stringify(full)));
  const socket = { data: { text: "" } as unknown };
  assert.equal(patchData(socket, { data: full }, { order: 5, bytesMax }), "done");
  const more = { text: `${full.text}x` };
  assert.equal(patchData(socket, { data: more }, { order: 6, bytesMax }), "too_large");
  assert.deepEqual(socket.data, full);
  assert.equal(versionOf(socket.data), 5);
});

test("data that a handler made too large may shrink, and not grow", () => {
  const socket = { data: { own: "x".repeat(100), a: 1 } as unknown };
  const limits = { order: 1, bytesMax: 50 };
  assert.equal(patchData(socket, { data: { b: 1 } }, limits), "too_large");
  assert.equal(patchData(socket, { data: { a: null } }, limits), "done");
  assert.deepEqual(socket.data, { own: "x".repeat(100) });
});

test("data that cannot be written count as functions are shown them", () => {
  const data: Record<string, unknown> = { big: 1n };
  data.self = data;
  assert.deepEqual(Object.keys(patched(data, { a: 1 }) as object), ["big", "self", "a"]);
});

test("the answer to an earlier call changes nothing, and neither does the same answer again", () => {
  const socket = { data: {} as unknown };
  const patch = (at: number, data: Patch) =>
    patchData(socket, { data }, { order: at, bytesMax: 100 });
  assert.equal(versionOf(socket.data), 0);
  assert.equal(patch(2, { a: 2 }), "done");
  assert.equal(patch(1, { a: 1 }), "old");
  assert.equal(patch(2, { a: 3 }), "old");
  assert.deepEqual([socket.data, versionOf(socket.data)], [{ a: 2 }, 2]);
  assert.equal(patchData(socket, { rooms: ["x"] }, { order: 3, bytesMax: 100 }), "done");
  assert.equal(patch(3, { a: 3 }), "old");
  assert.equal(patchData(socket, {}, { order: 1, bytesMax: 100 }), "done");
  assert.equal(versionOf(socket.data), 3);
});

// After `socket.data = { … }` in a handler the replay of an old dead letter undid newer answers.
test("the version stays when a handler puts other data in their place", () => {
  const socket = { data: {} as unknown };
  const limits = { bytesMax: 100 };
  assert.equal(patchData(socket, { data: { a: 2 } }, { order: 2, ...limits }), "done");
  for (const data of [{ own: 1 }, undefined]) {
    socket.data = data;
    assert.equal(patchData(socket, { data: { a: 1 } }, { order: 1, ...limits }), "old");
    assert.equal(keepVersion(socket), 2);
  }
  assert.equal(patchData(socket, { data: { a: 3 } }, { order: 3, ...limits }), "done");
  assert.deepEqual([socket.data, versionOf(socket.data)], [{ a: 3 }, 3]);
});

test("the version goes with the data, wherever they are taken", () => {
  const data = {};
  setVersion(data, 7);
  assert.equal(patchData({ data }, { data: { a: 1 } }, { order: 6, bytesMax: 100 }), "old");
  assert.deepEqual([versionOf(data), versionOf(undefined)], [7, 0]);
});

test("a patch that says what is there already would change nothing", () => {
  const data = { a: 1, b: { c: Buffer.of(1) }, big: 1n };
  assert.equal(changesData(data, { a: 1, b: { c: Buffer.of(1) }, d: null }), false);
  assert.equal(changesData(data, { b: { c: Buffer.of(2) } }), true);
  assert.equal(changesData(data, { a: null }), true);
});
