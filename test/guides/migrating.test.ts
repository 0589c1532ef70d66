/** The servers of docs/migrating.md, before and after, do the same for their clients. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { readCodeBlock } from "../harness/code-blocks.ts";
import { findFreePort } from "../harness/free-port.ts";
import { newClient } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";
import { NODE, ROOT, startProcess } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

const SOURCES = {
  sluice: "src/index.ts",
  "sluice/attach": "src/gateway/attach.ts",
  // Not every machine can load the package: this is the binary that loads here.
  "uWebSockets.js": "src/host/apps.ts",
};

/** Runs a code block of the page, with Sluice's sources in the place of the packages. */
async function runBlock(t: TestContext, title: string): Promise<string> {
  const cache = join(ROOT, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "migrating-"));
  t.after(() => rmSync(folder, { recursive: true }));
  let code = readCodeBlock("docs/migrating.md", title);
  for (const [name, path] of Object.entries(SOURCES))
    code = code.replaceAll(`from "${name}"`, `from "${pathToFileURL(join(ROOT, path))}"`);
  const file = join(folder, title);
  writeFileSync(file, code);
  const port = await findFreePort();
  startProcess(t, [...NODE, file], { PORT: `${port}` });
  const url = `http://127.0.0.1:${port}`;
  const answers = () =>
    ask(url).then(
      () => true,
      () => false,
    );
  await until(answers, `${title} listens`, 30_000);
  return url;
}

for (const title of ["before-http.mjs", "after-http.mjs", "before-app.mjs", "after-app.mjs"]) {
  test(`${title} serves its page and its clients`, async (t) => {
    const url = await runBlock(t, title);
    assert.equal((await ask(`${url}/a`)).body, "page /a");
    const client = newClient(url, { codec: "json" });
    t.after(() => client.disconnect());
    await next(client.connect(), "connect");
    assert.equal(await client.emitWithAck("echo", "here"), "here");
  });
}
