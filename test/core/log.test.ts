import assert from "node:assert/strict";
import { test } from "node:test";
import { createThrottle, type LogFields } from "../../src/core/log.ts";

test("one line per kind and second is written, and the next says how many were not", () => {
  let now = 0;
  const lines: LogFields[] = [];
  const log = createThrottle(
    (_level, fields) => lines.push(fields),
    () => now,
  );
  for (let i = 0; i < 5; i++) log("warn", "a", { component: "socket", i }, "refused");
  log("warn", "b", { component: "socket" }, "refused");
  now = 999;
  log("warn", "a", { component: "socket", i: 5 }, "refused");
  assert.deepEqual(lines, [{ component: "socket", i: 0 }, { component: "socket" }]);
  now = 1000;
  log("warn", "a", { component: "socket", i: 6 }, "refused");
  log("warn", "b", { component: "socket" }, "refused");
  assert.deepEqual(lines.slice(2), [
    { component: "socket", i: 6, suppressed: 5 },
    { component: "socket" },
  ]);
});
