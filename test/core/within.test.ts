import assert from "node:assert/strict";
import { test } from "node:test";
import { within } from "../../src/core/within.ts";

const never = new Promise<string>(() => {});

test("a promise that settles in time decides, and what was to happen later does not", async () => {
  let late = 0;
  const count = () => `${++late}`;
  assert.equal(await within(Promise.resolve("here"), 1, count), "here");
  await assert.rejects(within(Promise.reject(new Error("failed")), 1, count), /failed/);
  assert.equal(late, 0);
});

test("when the time is over, its function decides: with a value, an error or a longer wait", async () => {
  assert.equal(await within(never, 1, () => "late"), "late");
  const fail = () => {
    throw new Error("no answer");
  };
  await assert.rejects(within(never, 1, fail), /no answer/);
  let arrive = (_: string): void => {};
  const arrives = new Promise<string>((resolve) => {
    arrive = resolve;
  });
  const wait = () => {
    setImmediate(arrive, "at last");
    return arrives;
  };
  assert.equal(await within(arrives, 1, wait), "at last");
});
