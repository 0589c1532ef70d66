import assert from "node:assert/strict";
import { test } from "node:test";
import { createPaint } from "../../src/core/terminal.ts";
import type { Attempt } from "../../src/dev/attempt.ts";
import { describeAttempt } from "../../src/dev/print.ts";

const SOCKET = { id: "S1", namespace: "/", userId: "Ada" };

function describe(
  type: string,
  body: unknown,
  more: Partial<Attempt> & { readonly said?: unknown; readonly status?: number } = {},
): string {
  const { said, status = 200, ...rest } = more;
  const attempt: Attempt = {
    ...{ call: 7, id: "evt_1", attempt: 1, at: "2026-11-29T18:00:00.000Z", ms: 3 },
    ...{ url: "http://127.0.0.1:8787/call", headers: { "ce-type": `io.sluice.${type}` } },
    body: JSON.stringify(body),
    ...(said !== undefined && {
      answer: { status, headers: {}, body: typeof said === "string" ? said : JSON.stringify(said) },
    }),
    ...rest,
  };
  return describeAttempt(attempt, createPaint(false)).join("\n");
}

const event = (name: string, ...args: unknown[]) => ({
  socket: SOCKET,
  event: name,
  args,
  ack: true,
});

test("a line says what was called, by whom, where, and what came of it", () => {
  const text = describe("event", event("message", "tea", { a: 1 }), { said: { ack: ["ok"] } });
  assert.match(text, /200 {6}3 ms {2}#7 {2}message\("tea", \{"a":1\}\) {2}\/ S1 as Ada → \/call$/m);
  assert.match(text, /^ +ack\("ok"\)$/m);
  const handshake = { auth: { name: "Ada" } };
  const said = { userId: "Ada", rooms: ["lobby"], data: { a: 1 } };
  const connect = describe("connect", { socket: { ...SOCKET, handshake } }, { said });
  assert.match(connect, /connect auth \{"name":"Ada"\} {2}\/ S1/);
  assert.match(connect, /userId "Ada", rooms \["lobby"\], data \{"a":1\}/);
  const left = describe("disconnect", { socket: SOCKET, reason: "ping timeout" }, { said: "" });
  assert.match(left, /disconnect \("ping timeout"\)/);
  const patch = { data: { a: null }, rooms: { join: ["b"] } };
  const connected = describe("connected", { socket: SOCKET, recovered: false }, { said: patch });
  assert.match(connected, /connected {2}\/ S1 as Ada/);
  assert.match(connected, /data \{"a":null\}, rooms \{"join":\["b"\]\}/);
});

test("commands are listed, some of them", () => {
  const emit = { do: "emit", to: ["tea"], except: ["S1"], event: "news", args: [1, "x"] };
  const join = { do: "socketsJoin", in: ["S1"], rooms: ["a b"] };
  const text = describe("event", event("go"), { said: { commands: [emit, join, 5] } });
  assert.match(text, /^ +emit news\(1, "x"\) to \[tea\] except \[S1\]$/m);
  assert.match(text, /^ +socketsJoin in \[S1\] rooms \["a b"\]$/m);
  const many = describe("event", event("go"), { said: { commands: Array(40).fill(emit) } });
  assert.match(many, /and 30 commands more$/);
  assert.equal(many.split("\n").length, 12);
});

test("a failure says why: the status with the function's words, or what kept the answer away", () => {
  const problem = { title: "Bad", detail: "no database", status: 500 };
  assert.match(describe("event", event("go"), { said: problem, status: 500 }), /Bad: no database$/);
  const refusal = { message: "which room?", data: { field: "room" } };
  const refused = describe("event", event("go"), { said: refusal, status: 422 });
  assert.match(refused, /422 .*\n +which room\? \{"field":"room"\}$/);
  assert.match(describe("event", event("go"), { said: "<html>", status: 502 }), /<html>$/);
  assert.match(describe("event", event("go"), { said: "so" }), /the answer is no object: so$/);
  const failed = "connect ECONNREFUSED 127.0.0.1:1";
  const away = describe("event", event("go"), { failed, attempt: 2 });
  assert.match(away, /— .* attempt 2 → \/call\n +no answer: connect ECONNREFUSED/);
  const long = describe("event", event("go"), { said: "{}", failed: "it is too long" });
  assert.match(long, /200 .*\n +not taken: it is too long$/);
});

test("a batch lists its events, and what was answered for each", () => {
  const data = Array.from({ length: 12 }, (_, n) => ({ id: `e${n}`, data: event("tick", n) }));
  const command = { do: "emit", event: "tock" };
  const said = {
    answers: [{ id: "e1", commands: [command] }],
    failed: [{ id: "e2", retry: true }],
  };
  const text = describe("", data, { said });
  assert.match(text, /batch of 12 {2}id evt_1 → \/call$/m);
  assert.match(
    text,
    /^ +tick\(9\) {2}\/ S1 as Ada\n +and 2 more\n +id "e1"\n +emit tock\(\)\n +failed \[\{"id":"e2"/m,
  );
});

test("no text of a client or a function reaches the terminal's controls, and colours can be off", () => {
  const evil = "\u001b[2J\u009b31m\u202e\n";
  const said = { ack: [evil], [evil]: 1, commands: [{ do: evil, event: evil, to: [evil] }] };
  const body = { ...event(evil, evil), socket: { id: evil, namespace: `/${evil}`, userId: evil } };
  const shown = [
    describe("event", body, { said, failed: evil, url: `http://127.0.0.1/${encodeURI(evil)}` }),
    describe("event", body, { said: evil, status: 500 }),
    describe("event", body, { said: { message: evil, data: evil }, status: 422 }),
    describe("disconnect", { socket: SOCKET, reason: evil }),
    describe(evil, 5),
  ];
  for (const text of shown) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  }
  assert.equal(createPaint(true)("red", "x"), "\u001b[31mx\u001b[0m");
});
