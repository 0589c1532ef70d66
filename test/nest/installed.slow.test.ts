/** docs/nest.md and examples/nest, as somebody runs them who installed the packed `sluice`. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { readCodeBlock } from "../harness/code-blocks.ts";
import { findFreePort } from "../harness/free-port.ts";
import { newClient } from "../harness/gateway.ts";
import { ROOT, startProcess, type TestProcess } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";
import { inFolder, installPacked, run } from "../package/packed.ts";
import { useChat } from "./chat.ts";

const PAGE = "docs/nest.md";
const COMMON = ["reflect-metadata@0.2.2", "rxjs@7.8.2", "@types/node@20.19.43"];
const NEST_12 = [
  ...["common@12.5.1", "core@12.5.1", "platform-express@12.5.1", "websockets@12.1.1"],
].map((name) => `@nestjs/${name}`);
const NEST_11 = [
  ...["common@11.2.10", "core@11.2.10", "platform-express@11.2.10"],
  ...["websockets@11.2.6", "platform-socket.io@11.2.6"],
].map((name) => `@nestjs/${name}`);

/** Writes a block of the page, and returns its text. */
function writeBlock(folder: string, title: string, path = title): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), readCodeBlock(PAGE, title));
}

async function compile(folder: string): Promise<void> {
  await run([process.execPath, join(ROOT, "node_modules/typescript/bin/tsc")], folder);
}

/** Starts a compiled application of a folder on a free port. */
async function start(t: TestContext, folder: string, file: string) {
  const port = String(await findFreePort());
  const command = inFolder(folder, [process.execPath, `dist/${file}`]);
  const running = startProcess(t, command, { PORT: port, NO_COLOR: "1" });
  const url = `http://127.0.0.1:${port}`;
  const answers = () =>
    fetch(url).then(
      ({ ok }) => ok || true,
      () => running.child.exitCode !== null,
    );
  await until(answers, `${file} answers`, 30_000);
  return { url, running };
}

/** Has a client talk to the page's chat, and stops the application under it. */
async function useAndStop(
  t: TestContext,
  url: string,
  { child, exit }: TestProcess,
): Promise<void> {
  const [one, two] = [newClient(url), newClient(url, { codec: "json" })];
  for (const client of [one, two]) {
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    assert.equal(await client.emitWithAck("join", "lobby"), "you are in lobby");
  }
  const heard = next(two, "message");
  assert.equal(await one.emitWithAck("message", "lobby", "hello"), "sent");
  assert.deepEqual(await heard, [{ from: one.id, room: "lobby", text: "hello" }]);
  assert.deepEqual(await (await fetch(`${url}/hello`)).json(), { hello: "Nest" });
  const left = next(two, "disconnect");
  child.kill("SIGTERM");
  assert.equal((await left)[0], "transport close");
  assert.ok(["SIGTERM", 0].includes(await exit()));
}

describe("from the packed package", { concurrency: 2 }, () => {
  test("the page's chat and the example run with Nest 12, as ES modules", async (t) => {
    const packages = [...COMMON, ...NEST_12, "class-transformer@0.5.1", "class-validator@0.15.1"];
    const folder = await installPacked(t, { packages: [...packages, "socket.io-client@4.8.4"] });
    const example = join(folder, "example");
    cpSync(join(folder, "node_modules/sluice/examples/nest"), example, { recursive: true });
    for (const name of ["tsconfig.json", "chat.mjs"]) writeBlock(folder, name);
    for (const name of ["main", "app.module", "chat.gateway"]) writeBlock(folder, `src/${name}.ts`);
    await Promise.all([compile(folder), compile(example)]);
    const page = await start(t, folder, "main.js");
    const client = startProcess(t, inFolder(folder, [process.execPath, "chat.mjs", page.url]));
    await client.said("you are in lobby\nsent");
    await useAndStop(t, page.url, page.running);
    const { url } = await start(t, example, "main.js");
    await useChat(t, url);
  });

  test("an application of Nest 11 in CommonJS moves as the page says", async (t) => {
    const packages = [...COMMON, ...NEST_11];
    const folder = await installPacked(t, { packages, manifest: { type: "commonjs" } });
    writeBlock(folder, "tsconfig.json");
    for (const name of ["app.module", "chat.gateway"]) writeBlock(folder, `src/${name}.ts`);
    writeBlock(folder, "before/main.ts", "src/before.ts");
    writeBlock(folder, "after/main.ts", "src/after.ts");
    await compile(folder);
    const before = await start(t, folder, "before.js");
    const client = newClient(before.url, { codec: "json" });
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    assert.equal(await client.emitWithAck("join", "lobby"), "you are in lobby");
    const after = await start(t, folder, "after.js");
    await useAndStop(t, after.url, after.running);
  });
});
