import assert from "node:assert/strict";
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { UsageError } from "../../src/core/command-line.ts";
import { type Attempt, readAttempt } from "../../src/dev/attempt.ts";
import { findAttempt, openRecording } from "../../src/dev/recording.ts";
import { testFolder } from "../harness/process.ts";

const CALL: Omit<Attempt, "call"> = {
  id: "evt_1",
  attempt: 1,
  at: "2026-11-29T18:00:00.000Z",
  url: "http://127.0.0.1:8787/call",
  headers: { "ce-type": "io.sluice.event" },
  body: "{}",
  ms: 3,
};

function testRecording(t: TestContext, bytesMax = 1_000_000) {
  const path = join(testFolder(t), "deep", "calls.ndjson");
  const told: string[] = [];
  const open = () => openRecording(path, { bytesMax, failed: (why) => void told.push(why) });
  return { path, told, open, read: () => readFileSync(path, "utf8").trim().split("\n") };
}

const usage = (pattern: RegExp) => (error: unknown) =>
  error instanceof UsageError && pattern.test(error.message);

test("calls are found by number, by id and as the last; a later run goes on counting", (t) => {
  const { path, open } = testRecording(t);
  assert.equal(open().add(CALL).call, 1);
  const later = open();
  assert.equal(later.add({ ...CALL, id: "evt_2", attempt: 1 }).call, 2);
  assert.equal(later.add({ ...CALL, id: "evt_2", attempt: 2 }).call, 3);
  assert.equal(later.add({ ...CALL, id: "evt_3" }).call, 4);
  assert.equal(findAttempt(path, undefined).call, 4);
  assert.equal(findAttempt(path, "1").id, "evt_1");
  assert.equal(findAttempt(path, "evt_2").call, 3, "the last with that id");
  assert.throws(() => findAttempt(path, "5"), usage(/there is no call 5; it has the calls 1 to 4/));
  assert.equal(statSync(path).mode & 0o077, 0, "it is its owner's alone");
});

test("at its size the file is renamed, and numbers go on", (t) => {
  const bytes = JSON.stringify({ call: 1, ...CALL }).length + 1;
  const { path, open, read } = testRecording(t, 3 * bytes);
  const recording = open();
  for (let n = 0; n < 3; n++) recording.add(CALL);
  assert.equal(read().length, 3, "a full file is kept");
  assert.equal(existsSync(`${path}.1`), false);
  for (let n = 0; n < 4; n++) recording.add(CALL);
  const calls = read().map((line) => JSON.parse(line).call);
  assert.deepEqual(calls, [7]);
  assert.equal(findAttempt(`${path}.1`, undefined).call, 6);
});

test("what a crash left of a line is cut off, and no other file is touched", (t) => {
  const { path, open } = testRecording(t);
  open().add(CALL);
  appendFileSync(path, '{"call":2,"id":"ev');
  assert.equal(open().add(CALL).call, 2);
  assert.equal(findAttempt(path, "2").id, "evt_1");
  for (const text of ["export const mine = 1;\nand more", "mine", '{"a":1}\n']) {
    writeFileSync(path, text);
    assert.throws(open, usage(/^--record .*calls\.ndjson: line 1 .*no recording of sluice dev$/));
    assert.equal(readFileSync(path, "utf8"), text);
  }
});

// The start hung: Node 20 goes on trying to make the folder.
test("a folder that cannot be made is told", { skip: !existsSync("/proc/self") }, () => {
  const open = () => openRecording("/proc/x/y", { bytesMax: 1, failed() {} });
  assert.throws(open, usage(/^--record \/proc\/x\/y: ENOENT: .*mkdir '\/proc\/x'/));
});

test("a file that is missing, empty or broken is named, with the line", (t) => {
  const { path, open } = testRecording(t);
  assert.throws(() => findAttempt(path, undefined), usage(/calls\.ndjson: ENOENT/));
  open();
  assert.throws(() => findAttempt(path, undefined), usage(/no call is recorded in it/));
  open().add(CALL);
  appendFileSync(path, "{}\n");
  assert.throws(() => findAttempt(path, "1"), usage(/calls\.ndjson: line 2 has no `call`/));
});

test("each member of a line that a replay needs is looked at", () => {
  const whole = { call: 1, ...CALL };
  assert.deepEqual(readAttempt(JSON.stringify(whole)), whole);
  for (const [name, wrong] of Object.entries({
    call: 1.5,
    id: "a b",
    attempt: "1",
    at: 1,
    url: "nowhere",
    headers: { a: 1 },
    body: {},
  })) {
    assert.match(
      String(readAttempt(JSON.stringify({ ...whole, [name]: wrong }))),
      /^has (no|an?) `/,
    );
    assert.match(
      String(readAttempt(JSON.stringify({ ...whole, [name]: undefined }))),
      new RegExp(name),
    );
  }
  for (const line of ["", "[]", "null", "{"]) assert.match(String(readAttempt(line)), /^is no/);
});

test("a line that cannot be written is told, and the calls go on", (t) => {
  const { path, told, open } = testRecording(t);
  const recording = open();
  rmSync(dirname(path), { recursive: true });
  assert.equal(recording.add(CALL).call, 1);
  assert.match(told[0] ?? "", /^call 1 could not be recorded in .*: ENOENT/);
});
