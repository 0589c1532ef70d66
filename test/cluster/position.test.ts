/** An offset says exactly what had been delivered, whatever came before what. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareIds, createPosition, readPoint } from "../../src/cluster/position.ts";

interface Message {
  readonly id: string;
  readonly uid: string;
}

const OWN = "a1b2c3d4e5f60708";
const OTHER = "ffffffffffffffff";

type Step = "publish" | "reply" | "lose" | "other" | "read" | "tick";
const steps: readonly Step[] = ["publish", "reply", "lose", "other", "read", "tick"];

/** A node, the stream, and what has been delivered at the node. */
function play(history: readonly Step[], check: (offset: string, state: State) => void) {
  const stream: Message[] = [{ id: "5-3", uid: "" }];
  const delivered = new Set(stream);
  const position = createPosition();
  position.readTo("5-3");
  const own = position.publisher(OWN);
  const pending: Message[] = [];
  let [ms, seq, read] = [6, 0, 1];
  const add = (uid: string): Message => {
    const message = { id: `${ms}-${seq++}`, uid };
    stream.push(message);
    return message;
  };
  for (const step of history) {
    const [answered] = pending;
    const next = stream[read];
    if (step === "tick") [ms, seq] = [ms + 7, 0];
    else if (step === "other") add(OTHER);
    else if (step === "publish") {
      own.begin();
      pending.push(add(OWN));
    } else if (step === "read" && next) {
      read++;
      if (next.uid === OWN) own.seen(next.id);
      position.readTo(next.id);
      if (next.uid === OWN) continue;
      delivered.add(next);
      check(own.offset(), { stream, delivered });
    } else if (answered && (step === "reply" || step === "lose")) {
      pending.shift();
      delivered.add(answered);
      // Redis went away before it said so: the packet carries an offset that nobody knows.
      own.end(step === "lose" ? "" : answered.id);
      if (step === "reply") check(own.offset(), { stream, delivered });
    }
  }
}

interface State {
  readonly stream: readonly Message[];
  readonly delivered: ReadonlySet<Message>;
}

test("for any order of publishing, answers and reading, nothing is left out and nothing comes twice", () => {
  let checked = 0;
  const exact = (offset: string, { stream, delivered }: State) => {
    const point = readPoint(offset);
    assert.ok(point, offset);
    assert.ok(
      stream.some(({ id }) => id === point.from),
      `${offset}: the stream has what it names`,
    );
    for (const message of stream) {
      const has = point.has(message.id, message.uid);
      assert.equal(has, delivered.has(message), `${offset} ${message.id} ${message.uid}`);
      if (!has) assert.ok(compareIds(message.id, point.from) > 0, `${offset}: it is read again`);
    }
    checked++;
  };
  const exactOnes = steps.filter((step) => step !== "lose");
  const histories = fc.array(fc.constantFrom(...exactOnes), { maxLength: 60, size: "max" });
  fc.assert(
    fc.property(histories, (history) => play(history, exact)),
    { numRuns: 1000 },
  );
  assert.ok(checked > 1000, `${checked} offsets`);
});

test("after an answer that was lost nothing is left out, and soon it is exact again", () => {
  const whole = (offset: string, { stream, delivered }: State) => {
    const point = readPoint(offset);
    assert.ok(point, offset);
    for (const message of stream) {
      if (point.has(message.id, message.uid)) assert.ok(delivered.has(message));
      else assert.ok(compareIds(message.id, point.from) > 0);
    }
  };
  const histories = fc.array(fc.constantFrom(...steps), { maxLength: 60, size: "max" });
  fc.assert(
    fc.property(histories, (history) => play(history, whole)),
    { numRuns: 1000 },
  );
  const last: string[] = [];
  play(["publish", "lose", "read", "other", "read"], (offset) => last.push(offset));
  assert.equal(last.at(-1), "6-1");
});

test("what no node has written names no place", () => {
  for (const offset of [
    "",
    "1",
    "1-",
    "-1",
    "1-1.",
    "1-1.2-2",
    "1-1.2-2.zzzzzz",
    "1-1 ",
    "1-1.-2-3.abcdef",
    `${"9".repeat(17)}-1`,
  ]) {
    assert.equal(readPoint(offset), undefined, offset);
  }
  assert.equal(readPoint("10-1.-3-2.a1b2c3")?.from, "7-2");
  assert.equal(readPoint("10-1.3-2.a1b2c3")?.from, "10-1");
});

test("who waits is told when all of it has been delivered, or that it took too long", async () => {
  const position = createPosition();
  position.readTo("5-0");
  const own = position.publisher(OWN);
  assert.equal(await own.reaches("6-0", 10), false);
  own.begin();
  const there = own.reaches("6-1", 60_000);
  position.readTo("6-0");
  own.seen("6-1");
  position.readTo("6-1");
  own.end("6-1");
  assert.equal(await there, true);
});
