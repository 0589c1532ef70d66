import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readAlone, readBatch, type Verdict } from "../../src/upstream/answer.ts";
import { cases } from "../harness/random.ts";
import { misfit, SCHEMAS } from "../harness/schemas.ts";

const READERS: Readonly<Record<string, (verdict: Verdict) => boolean>> = {
  ConnectAnswer: (verdict) => !readAlone("connect", verdict).failed,
  EventAnswer: (verdict) => !readAlone("event", verdict).failed,
  BatchAnswer(verdict) {
    if (readBatch(verdict).failed || !verdict.ok) return false;
    const said = JSON.parse(verdict.body.toString()) as { answers?: { id: string }[] | null };
    // What is said of an event that failed as well is not read.
    const { of } = readBatch({ ok: true, status: 200, body: bufferOf({ ...said, failed: null }) });
    return (said.answers ?? []).every(({ id }) => of(id).ok);
  },
};

const bufferOf = (json: unknown) => Buffer.from(JSON.stringify(json));

function isTaken(name: string, answer: unknown): boolean {
  return READERS[name]?.({ ok: true, status: 200, body: bufferOf(answer) }) ?? false;
}

const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
const bytes = { $binary: "aGk=" };
const emit = { do: "emit", event: "x" };

const ANSWERS: readonly (readonly [name: string, answer: unknown, fits: boolean])[] = [
  ["ConnectAnswer", {}, true],
  ["ConnectAnswer", [], false],
  ["ConnectAnswer", "yes", false],
  ["ConnectAnswer", { userId: "", rooms: ["a"] }, false],
  ["ConnectAnswer", { userId: "x".repeat(256) }, true],
  ["ConnectAnswer", { userId: "x".repeat(257) }, false],
  ["ConnectAnswer", { userId: null, data: null, rooms: null, commands: null }, true],
  ["ConnectAnswer", { data: { a: bytes } }, true],
  ["ConnectAnswer", { data: bytes }, false],
  ["ConnectAnswer", { data: { $escape: { $binary: 5 } } }, true],
  ["ConnectAnswer", { data: { $escape: 5 } }, false],
  ["ConnectAnswer", { data: [] }, false],
  ["ConnectAnswer", { rooms: [""] }, false],
  ["ConnectAnswer", { rooms: Array(1000).fill("a") }, true],
  ["ConnectAnswer", { rooms: Array(1001).fill("a") }, false],
  ["ConnectAnswer", { rooms: ["x".repeat(1025)] }, false],
  ["ConnectAnswer", { rooms: ["🎈".repeat(1024)], userId: "🎈".repeat(256) }, true],
  ["ConnectAnswer", { rooms: ["🎈".repeat(1025)] }, false],
  ["ConnectAnswer", { userId: "🎈".repeat(257) }, false],
  ["ConnectAnswer", { rooms: { join: ["a"] } }, true],
  ["ConnectAnswer", { more: "of a later day" }, true],
  ["EventAnswer", { ack: [] }, true],
  ["EventAnswer", { ack: Array(256).fill(1) }, true],
  ["EventAnswer", { ack: Array(257).fill(1) }, false],
  ["EventAnswer", { ack: { 0: "x" } }, false],
  ["EventAnswer", { ack: [bytes, { $escape: { $escape: 1 } }, { $binary: 1, more: 2 }] }, true],
  ["EventAnswer", { ack: [{ $binary: "aGk" }] }, false],
  ["EventAnswer", { ack: [{ $binary: "a Gk" }] }, false],
  ["EventAnswer", { ack: [{ $binary: "" }] }, true],
  ["EventAnswer", { ack: [[{ a: { $binary: 1 } }]] }, false],
  ["EventAnswer", { ack: [{ $escape: { $binary: { $binary: 1 } } }] }, false],
  ["EventAnswer", { ack: [{ _placeholder: true }] }, false],
  ["EventAnswer", { ack: [{ _placeholder: false, num: 0 }] }, true],
  ["EventAnswer", JSON.parse('{ "ack": [{ "__proto__": 1 }] }'), false],
  ["EventAnswer", { data: { a: null, b: { c: null, d: bytes } } }, true],
  ["EventAnswer", { data: bytes }, false],
  ["EventAnswer", { data: [] }, false],
  ["EventAnswer", { data: { a: { $binary: 1 } } }, false],
  ["EventAnswer", { rooms: ["a"] }, true],
  ["EventAnswer", { rooms: { join: ["a"], leave: ["b"], more: 1 } }, true],
  ["EventAnswer", { rooms: { join: null, leave: null } }, true],
  ["EventAnswer", { rooms: {} }, true],
  ["EventAnswer", { rooms: "a" }, false],
  ["EventAnswer", { rooms: { leave: "a" } }, false],
  ["EventAnswer", { rooms: { join: [""] } }, false],
  ["EventAnswer", { commands: [emit, { do: "cancel", key: "a" }] }, true],
  ["EventAnswer", { commands: [{ ...emit, key: "a" }] }, false],
  ["EventAnswer", { commands: [{ ...emit, key: "a", afterMs: 1 }] }, true],
  ["EventAnswer", { commands: Array(1000).fill(emit) }, true],
  ["EventAnswer", { commands: Array(1001).fill(emit) }, false],
  ["EventAnswer", { commands: [{ do: "emitWithAck", event: "x" }] }, false],
  ["EventAnswer", { commands: [{ do: "fetchSockets" }] }, false],
  ["EventAnswer", { commands: [{ ...emit, event: "disconnect" }] }, false],
  ["EventAnswer", { commands: [{ ...emit, room: "a" }] }, false],
  ["EventAnswer", { commands: [{ ...emit, event: "🎈".repeat(256) }] }, true],
  ["EventAnswer", { commands: [{ ...emit, event: "🎈".repeat(257) }] }, false],
  ["EventAnswer", { commands: [{ do: "serverSideEmit", event: "connection" }] }, false],
  ["EventAnswer", { commands: [{ do: "serverSideEmit", event: "disconnect" }] }, true],
  ["EventAnswer", { commands: {} }, false],
  ["BatchAnswer", {}, true],
  ["BatchAnswer", { answers: null, failed: null }, true],
  ["BatchAnswer", { answers: [{ id: "a" }], failed: [{ id: "b" }] }, true],
  ["BatchAnswer", { answers: [{ id: 5 }] }, false],
  ["BatchAnswer", { answers: [{ id: "a", commands: [{}] }] }, false],
  ["BatchAnswer", { answers: [{ id: "a", data: { b: null }, rooms: { leave: ["c"] } }] }, true],
  ["BatchAnswer", { answers: [{ id: "a", data: 5 }] }, false],
  ["BatchAnswer", { answers: [{ id: "a", rooms: { join: 5 } }] }, false],
  ["BatchAnswer", { failed: ["a"] }, false],
  ["BatchAnswer", { commands: [emit] }, false],
];

test("the schemas take the answers that the gateway takes, and refuse what it refuses", () => {
  for (const [name, answer, fits] of ANSWERS) {
    const shown = `${name} ${JSON.stringify(answer).slice(0, 100)}`;
    assert.equal(isTaken(name, answer), fits, `the gateway, of ${shown}`);
    const why = misfit(name, answer);
    assert.equal(why === undefined, fits, `the schema, of ${shown}: ${why}`);
  }
});

test("what JSON Schema cannot say is refused by the gateway alone", () => {
  const cases = [{ ack: [deep(32)] }, { ack: Array(11).fill(bytes) }];
  for (const answer of cases) {
    assert.equal(misfit("EventAnswer", answer), undefined);
    assert.equal(isTaken("EventAnswer", answer), false);
  }
});

/** A value like another one, of which any part may have become something else, or be gone. */
function like(value: unknown): fc.Arbitrary<unknown> {
  const other = fc.oneof(
    fc.constantFrom(null, true, 0, -1, 1.5, "", "a", "/", "/chat", bytes, {}, [], [""], [{}]),
    fc.jsonValue({ maxDepth: 2 }),
  );
  const same = fc.constant(value);
  if (typeof value !== "object" || value === null) {
    return fc.oneof({ weight: 9, arbitrary: same }, { weight: 1, arbitrary: other });
  }
  const inner = Array.isArray(value)
    ? fc.tuple(...value.map(like))
    : fc.record(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, like(one)])), {
        requiredKeys: [],
      });
  return fc.oneof({ weight: 19, arbitrary: inner }, { weight: 1, arbitrary: other });
}

/** What the gateway takes though the schema does not want it: `retry` that is no boolean. */
function isLax(answer: unknown): boolean {
  const { failed } = (answer ?? {}) as { failed?: readonly { readonly retry?: unknown }[] };
  return Array.isArray(failed) && failed.some((one) => typeof (one?.retry ?? true) !== "boolean");
}

test("schema and gateway agree on answers that are nearly right", () => {
  for (const { name, examples } of SCHEMAS) {
    if (!(name in READERS)) continue;
    assert.ok(examples.length > 0, name);
    const verdicts = new Set<boolean>();
    for (const example of examples) {
      const check = fc.property(like(example), (answer) => {
        // Only JSON is sent.
        const sent: unknown = JSON.parse(JSON.stringify(answer));
        // Instead of an answer there may be nothing at all.
        if (sent === null) return;
        const taken = isTaken(name, sent);
        verdicts.add(taken);
        const why = misfit(name, sent);
        if (taken && isLax(sent)) return;
        assert.equal(why === undefined, taken, `${JSON.stringify(sent)}: ${why}`);
      });
      fc.assert(check, { ...cases(300), endOnFailure: false });
    }
    assert.deepEqual(verdicts, new Set([true, false]), name);
  }
});
