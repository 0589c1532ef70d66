import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import chat from "../../examples/chat.ts";
import { readCodeBlock } from "../harness/code-blocks.ts";
import { testGateway } from "../harness/gateway.ts";
import { ROOT, startProcess, testFolder } from "../harness/process.ts";

/** What the README tells a reader to install for its client. */
const INSTALLED = ["socket.io-client", "socket.io-msgpack-parser"];

/** Writes the README's client into a folder that has nothing else, and returns its path. */
function writeClient(t: TestContext): string {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  assert.ok(readme.includes(`npm i ${INSTALLED.join(" ")}`));
  const folder = testFolder(t);
  mkdirSync(join(folder, "node_modules"));
  for (const name of INSTALLED)
    symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name));
  const path = join(folder, "chat.mjs");
  writeFileSync(path, readCodeBlock("README.md", "chat.mjs"));
  return path;
}

test("the README's client prints what it did, and what a second one says", async (t) => {
  const gateway = await testGateway(t);
  chat(gateway.io);
  const client = [process.execPath, writeClient(t), gateway.url];
  const first = startProcess(t, client);
  await first.said('joined "lobby" and said hello');
  assert.match(first.output(), /^connected as [\w-]{20}\n/);
  const second = startProcess(t, client);
  await first.said("lobby: ");
  const [, id] = /lobby: ([\w-]{20}) says hello/.exec(first.output()) ?? [];
  await second.said(`connected as ${id}`);
  second.child.kill();
  await first.said(`lobby: ${id} has left`);
});

test("the README's client says so when there is no gateway", async (t) => {
  const client = startProcess(t, [process.execPath, writeClient(t), "http://127.0.0.1:1"]);
  await client.said("no connection to http://127.0.0.1:1: ");
});

test("the README stays short", () => {
  const lines = readFileSync(join(ROOT, "README.md"), "utf8").split("\n");
  assert.ok(lines.length <= 201, `${lines.length - 1} lines`);
});
