/** Where the application's own HTTP handler may come from, and what is refused at the start. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { GatewayNeeds } from "../../src/gateway/gateway.ts";
import { testGateway } from "../harness/gateway.ts";

/** Writes a handler module; returns its path. */
function writeModule(t: TestContext, source: string): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-http-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "app.mjs");
  writeFileSync(file, source);
  return file;
}

const textOf = async (url: string) => (await fetch(url)).text();

test("a handler module serves HTTP by its export fetch, or by its export http", async (t) => {
  const modules = {
    fetch: "export const fetch = (request) => new Response(new URL(request.url).pathname);",
    http: "export const http = (req, res) => res.end(req.url);",
  };
  for (const source of Object.values(modules)) {
    const module = writeModule(t, `export default (io) => {};\n${source}`);
    const gateway = await testGateway(t, { handlers: { module } });
    assert.equal(await textOf(`${gateway.url}/own`), "/own");
  }
});

test("an http.Server that does not listen gets the requests", async (t) => {
  const gateway = await testGateway(t, {}, { http: createServer((req, res) => res.end(req.url)) });
  assert.equal(await textOf(`${gateway.url}/own?a=1`), "/own?a=1");
});

test("without a handler other paths are not found, as before", async (t) => {
  const gateway = await testGateway(t);
  assert.equal((await fetch(`${gateway.url}/own`)).status, 404);
});

test("with a port of its own for the API, the clients' port is all the handler's", async (t) => {
  const given = { fetch: () => new Response("mine") };
  const gateway = await testGateway(t, { api: { port: 0 } }, given);
  assert.notEqual(await textOf(`${gateway.url}/metrics`), "mine");
  const { findFreePort } = await import("../harness/free-port.ts");
  const apart = await testGateway(t, { api: { port: await findFreePort() } }, given);
  assert.equal(await textOf(`${apart.url}/metrics`), "mine");
});

test("a wrong handler is refused in one sentence", async (t) => {
  const fetch = () => new Response("");
  const http = () => {};
  const module = writeModule(t, "export default () => {};\nexport const http = () => {};");
  const rows: [GatewayNeeds, RegExp, string?][] = [
    [{ fetch, http }, /^startGateway has both fetch and http: give one of them$/],
    [{ fetch: {} as never }, /^startGateway: fetch must be a function \(request\) => Response$/],
    [{ http: {} as never }, /^startGateway: http must be a function \(req, res\) => void, or an/],
    [{ fetch }, /^startGateway and .*app\.mjs both have a handler of HTTP: give one$/, module],
  ];
  for (const [given, message, path = ""] of rows) {
    await assert.rejects(testGateway(t, { handlers: { module: path } }, given), { message });
  }
});
