import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type ChildOptions, startChild } from "../../src/dev/child.ts";
import { findFreePort } from "../harness/free-port.ts";
import { until } from "../harness/wait.ts";

/** A server that says its pid, and ends when it is told to. */
const SERVER = `require("node:http").createServer((request, response) => {
  if (request.url === "/end") process.exit(7);
  response.end(String(process.pid));
}).listen(process.env.PORT, "127.0.0.1");`;

async function start(t: TestContext, script: string, slowMs = 60_000) {
  const port = await findFreePort();
  const url = new URL(`http://127.0.0.1:${port}/call`);
  const lines: string[] = [];
  const options: ChildOptions = {
    ...{ command: [process.execPath, "-e", script], url, slowMs },
    env: { ...process.env, PORT: String(port) },
    print: (line) => void lines.push(line),
  };
  const child = startChild(options);
  t.after(child.stop);
  const pid = async () => Number(await (await fetch(url)).text());
  return { child, port, url, lines, pid };
}

test("calls wait until a function listens; one that ends is started again; a stop ends it", async (t) => {
  const { child, port, url, lines, pid } = await start(t, SERVER);
  await child.ready();
  const first = await pid();
  await assert.rejects(fetch(new URL("/end", url)));
  await until(
    () => lines.some((line) => /ended with 7; it is started again/.test(line)),
    "its end",
  );
  await child.ready();
  assert.notEqual(await pid(), first);
  assert.equal(lines.filter((line) => line.endsWith(`listens on port ${port}`)).length, 2);
  await child.stop();
  await assert.rejects(fetch(url));
});

test("a function that does not listen where it was told is told of", async (t) => {
  const { child, port, lines } = await start(t, "setInterval(() => {}, 1000)", 1);
  await until(() => lines.length > 0, "the line");
  assert.deepEqual(lines, [
    `nothing listens on port ${port}, which it is told as PORT: calls wait`,
  ]);
  await child.stop();
  await child.ready();
});

test("what a function has started ends with it", async (t) => {
  const script = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(SERVER)}]);
    setInterval(() => {}, 1000);`;
  const { child, url } = await start(t, script);
  await child.ready();
  await child.stop();
  await assert.rejects(fetch(url));
});
