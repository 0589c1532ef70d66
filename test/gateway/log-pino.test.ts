import assert from "node:assert/strict";
import { test } from "node:test";
import { createPinoLog } from "../../src/gateway/log-output.ts";

test("a line is JSON with its fields, and nothing below the level is written", () => {
  const lines: string[] = [];
  const log = createPinoLog("warn", { write: (line) => void lines.push(line) });
  log("info", { component: "socket" }, "too quiet");
  log("warn", { component: "socket", code: "X" }, "heard");
  assert.equal(lines.length, 1);
  const { level, component, code, msg } = JSON.parse(lines[0] ?? "");
  assert.deepEqual([level, component, code, msg], [40, "socket", "X", "heard"]);
});

test("an error is told with its stack, and without what it carries", () => {
  // Seen: `"error":{}` for each HTTP handler that failed. Errors have no enumerable fields, and pino
  // only knows the name `err`.
  const lines: string[] = [];
  const log = createPinoLog("info", { write: (line) => void lines.push(line) });
  const error = Object.assign(new Error("it broke"), { body: "a payload" });
  log("error", { component: "socket", error }, "an HTTP handler failed");
  assert.match(JSON.parse(lines[0] ?? "").error, /^Error: it broke\n {4}at .*log-pino\.test/);
  assert.ok(!lines[0]?.includes("payload"));
});
