import assert from "node:assert/strict";
import { test } from "node:test";
import { NODE } from "../harness/process.ts";
import { runTool } from "../harness/tool.ts";
import { CLIENTS, type Client, rowsOf } from "./clients.ts";
import { findProblems, readResults } from "./results.ts";
import type { ClientReport, RowResult } from "./rows.ts";

const CLIENT: Client = {
  title: "a client",
  rows: ["websocket", "polling", "upgrade", "server-disconnect"],
  lacks: { upgrade: "it never changes its transport" },
  faults: { polling: "it never polls twice" },
  make: async () => ({ command: [] }),
};

const ROWS: Readonly<Record<string, RowResult>> = {
  websocket: { result: "works" },
  polling: { result: "fails" },
  upgrade: { result: "not offered" },
  "server-disconnect": { result: "works", reason: "server disconnect" },
};

const report = (rows: Readonly<Record<string, RowResult>> = {}, version = "1.0.0") => ({
  ...{ client: "a client", version, runtime: "Node.js 20" },
  rows: { ...ROWS, ...rows },
});

function problems(found: ClientReport, recorded: ClientReport | undefined = report()): string[] {
  return findProblems(CLIENT, found, recorded);
}

test("a client that does as recorded has no problem, whatever its runtime's version", () => {
  assert.deepEqual(problems({ ...report(), runtime: "Node.js 24" }), []);
});

test("each difference from what a client must do, or is recorded, is a problem", () => {
  const gone = { client: "a client", version: "1.0.0", runtime: "Node.js 20", rows: {} };
  const reason = { result: "works", reason: "bye" } as const;
  assert.deepEqual(problems(report({ websocket: { result: "fails", detail: "late" } })), [
    'websocket: "fails" (late), and must be "works"',
  ]);
  assert.deepEqual(problems(report({ websocket: { result: "not offered" } })), [
    'websocket: "not offered", and must be "works"',
  ]);
  assert.deepEqual(problems(report({ upgrade: { result: "works" } })), [
    'upgrade: "works", and must be "not offered"',
  ]);
  assert.deepEqual(problems(report({ polling: { result: "works" } })), [
    'polling: "works", and must be "fails"',
  ]);
  assert.deepEqual(problems(report({ rooms: { result: "works" } })), [
    "rooms is not one of its rows",
  ]);
  assert.deepEqual(problems(report({ "server-disconnect": reason })), [
    'server-disconnect: the reason is "bye", and "server disconnect" is recorded',
  ]);
  assert.deepEqual(problems(report({}, "2.0.0")), [
    'its version is "2.0.0", and "1.0.0" is recorded',
  ]);
  assert.equal(problems(gone).length, 4);
  assert.deepEqual(findProblems(CLIENT, report(), undefined), [
    "nothing is recorded of it: run it with --write",
  ]);
});

test("what is recorded are the clients of the suite, each without a problem", () => {
  const results = readResults();
  assert.deepEqual(Object.keys(results).sort(), Object.keys(CLIENTS).sort());
  for (const [name, client] of Object.entries(CLIENTS)) {
    const recorded = results[name];
    assert.ok(recorded);
    assert.deepEqual(findProblems(client, recorded, recorded), [], name);
    for (const row of Object.keys({ ...client.lacks, ...client.faults }))
      assert.ok(rowsOf(client).includes(row), row);
  }
});

test("a command line that the suite does not understand ends with 64 and the usage", () => {
  for (const [args, says] of [
    [["nobody"], "no client's name begins with nobody"],
    [["--jobs", "0"], "--jobs must be a whole number"],
    [["--wirte"], "--wirte"],
  ] as const) {
    const [node = "", ...flags] = NODE;
    const { code, text } = runTool(node, [...flags, "test/clients/main.ts", ...args]);
    assert.equal(code, 64, text);
    assert.ok(text.includes(says) && text.includes("usage: npm run clients"), text);
  }
});
