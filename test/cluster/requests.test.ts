/** Requests end when all nodes have answered, in time, or with their namespace; and leave nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Reached } from "../../src/cluster/log/event-log.ts";
import type { Answer } from "../../src/cluster/messages.ts";
import { createRequests } from "../../src/cluster/requests.ts";

const MINUTE = 60_000;

/** Requests of "a", one node of those that are reached, and what was told. */
function setUp(reached: () => Promise<Reached>, requestsMax = 2) {
  const told: number[] = [];
  const counts = { late: 0 };
  const requests = createRequests({
    node: "a",
    requestsMax,
    tell(each) {
      if (each.request !== undefined) told.push(each.request);
      return reached();
    },
    timedOut: () => void counts.late++,
  });
  const answers = new Map<string, Answer>();
  const collect = (timeoutMs = MINUTE) =>
    requests.collect((request) => ({ do: "serverEmit", data: [], request }), {
      ...{ answers, answersItself: false, timeoutMs },
    });
  return { requests, told, counts, answers, collect };
}

test("what is collected ends with the last answer of those who were told, each counted once", async () => {
  const { requests, told, answers, collect } = setUp(async () => 3);
  const collected = collect();
  const [first = 0] = told;
  requests.answered("b", first, { value: 1 });
  requests.answered("b", first, { value: 2 });
  requests.answered("c", first + 1, { value: "another request's" });
  assert.equal(await Promise.race([collected, turn("open")]), "open");
  requests.answered("c", first, { value: 3 });
  await collected;
  assert.deepEqual([...answers.values()], [{ value: 2 }, { value: 3 }]);
});

const turn = <T>(value: T) => new Promise<T>((resolve) => setImmediate(resolve, value));

test("nobody waits for a node that is gone, and keeps what it had answered before", async () => {
  const { requests, told, answers, collect } = setUp(async () => ["a", "b", "c", "d"]);
  const collected = collect();
  await turn(0);
  requests.answered("b", told[0] ?? 0, { value: 1 });
  requests.left("b");
  requests.left("c");
  assert.equal(await Promise.race([collected, turn("open")]), "open");
  requests.left("d");
  await collected;
  assert.deepEqual([...answers.keys()], ["b"]);
});

test("nobody waits for a node that was gone before it is known who was told", async () => {
  // It may have been told, or not; those that were told are waited for, also without this one.
  for (const reached of [["a", "b", "c"], ["a", "c"], ["c"]]) {
    let tell: (reached: Reached) => void = () => {};
    const asked = new Promise<Reached>((resolve) => {
      tell = resolve;
    });
    const { requests, told, answers, collect } = setUp(() => asked);
    const collected = collect();
    requests.left("b");
    tell(reached);
    assert.equal(await Promise.race([collected, turn("open")]), "open");
    requests.answered("c", told[0] ?? 0, { value: 2 });
    await collected;
    assert.deepEqual([...answers.keys()], ["c"]);
  }
});

test("above requestsMax requests are refused, until one has ended, however it does", async () => {
  const { requests, counts, collect } = setUp(async () => 2, 1);
  const late = collect(1);
  await assert.rejects(collect(), /cluster\.requestsMax/);
  await assert.rejects(late, /timeout reached: only 0 responses received out of 1/);
  assert.equal(counts.late, 1);
  const stopped = collect();
  requests.stop();
  await assert.rejects(stopped, /closed/);
  const refused = setUp(() => Promise.reject(new Error("away")), 1);
  await assert.rejects(refused.collect(), /away/);
  await assert.rejects(refused.collect(), /away/);
});

test("who listens hears nothing after its time, and is told that it is over, once", async () => {
  const { requests } = setUp(async () => 1);
  const heard: unknown[] = [];
  let request = 0;
  await new Promise<void>((resolve) => {
    request = requests.listen((from) => heard.push(from), 5, resolve);
    requests.answered("b", request, { count: 1 });
    // The timer keeps no process: something else must.
    setTimeout(() => {}, 1_000);
  });
  requests.answered("b", request, { count: 2 });
  assert.deepEqual(heard, ["b"]);
  const over = requests.listen(
    () => heard.push("late"),
    1,
    () => heard.push("over"),
  );
  requests.stop();
  requests.answered("b", over, { count: 1 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(heard, ["b"]);
});
