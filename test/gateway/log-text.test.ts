import assert from "node:assert/strict";
import { test } from "node:test";
import { createPaint } from "../../src/core/terminal.ts";
import { createTextLog } from "../../src/gateway/log-text.ts";

function record(level: Parameters<typeof createTextLog>[0] = "debug", hasColours = false) {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line);
  return { lines, log: createTextLog(level, { print, paint: createPaint(hasColours) }) };
}

test("a line has the time, the level by name, the component, the text and the fields", () => {
  const { lines, log } = record();
  log("warn", { component: "door", code: "X", at: { n: 1 }, none: undefined }, "refused");
  assert.match(lines[0] ?? "", /^\d\d:\d\d:\d\d {2}warn {3}door: refused {2}code=X at={"n":1}$/);
});

test("nothing below the level is printed", () => {
  const { lines, log } = record("warn");
  log("info", { component: "gateway" }, "too quiet");
  log("error", { component: "gateway" }, "heard");
  assert.equal(lines.length, 1);
});

test("what clients sent cannot begin a line of its own, colour it, or fill the screen", () => {
  const { lines, log } = record();
  const hostile = "x\n12:00:00  error  gateway: \u001b[2J\u202e";
  log("info", { component: "fanout", room: hostile, long: "y".repeat(500) }, hostile);
  const error = Object.assign(new Error(hostile), {
    stack: `Error: ${hostile}\n    at f (a.ts:1:2)`,
  });
  log("error", { component: "handlers", error, stack: error.stack }, "a handler failed");
  const printed = lines.flatMap((line) => line.split("\n"));
  assert.equal(printed.filter((line) => /^\d\d:\d\d:\d\d/.test(line)).length, 2);
  for (const control of ["\u001b", "\u202e"]) assert.ok(!printed.join("").includes(control));
  assert.ok((lines[0] ?? "").length < 500);
});

test("the stack of an error is shown whole, a line each, whichever field has it", () => {
  for (const fields of [{ error: new Error("broke") }, { stack: new Error("broke").stack }]) {
    const { lines, log } = record();
    log("error", { component: "host", path: "/x", ...fields }, "failed");
    const [head, first, second] = (lines[0] ?? "").split("\n");
    assert.match(head ?? "", /failed {2}path=\/x$/);
    assert.equal(first, "    Error: broke");
    assert.match(second ?? "", /^ {8}at .*log-text\.test/);
  }
});

test("colours are there for whoever shows them", () => {
  const { lines, log } = record("debug", true);
  log("error", { component: "host" }, "failed");
  assert.ok(lines[0]?.endsWith("\u001b[31merror\u001b[0m  host: failed"));
});
