import assert from "node:assert/strict";
import { test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { testGateway } from "../harness/gateway.ts";

const HTML = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const KEY = "test:a-key-of-sixteen-characters";

/** Returns the status, type and text of `/`. */
async function open(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers });
  const type = response.headers.get("content-type");
  return { response, status: response.status, type, text: await response.text() };
}

test("who opens a gateway that is developed with is told what is where, as a page or as text", async (t) => {
  const gateway = await testGateway(t, {}, { developing: true });
  const page = await open(`${gateway.url}/`, HTML);
  assert.deepEqual([page.status, page.type], [200, "text/html; charset=utf-8"]);
  const policy = "default-src 'none'; frame-ancestors 'none'";
  assert.equal(page.response.headers.get("content-security-policy"), policy);
  assert.equal(page.response.headers.get("vary"), "accept");
  const text = await open(`${gateway.url}/`);
  assert.deepEqual([text.status, text.type], [200, "text/plain; charset=utf-8"]);
  for (const path of ["/console", "/metrics", "/v1/openapi.json", "/healthz", "/readyz"]) {
    assert.match(page.text, new RegExp(`<a href="${path}">`));
    assert.match(text.text, new RegExp(`^  ${path} `, "m"));
    const linked = await fetch(`${gateway.url}${path}`);
    // Its body must be read: the fetch of Node.js 24 fails if a connection ends before.
    assert.deepEqual([linked.status, (await linked.text()) !== ""], [200, true], path);
  }
  assert.match(text.text, /^ {2}\/socket.io\/ /m);
  // The key is in the link of the log only.
  const [, key = "none"] = /#key=(.+)/.exec(gateway.consoleUrl ?? "") ?? [];
  for (const shown of [page.text, text.text]) assert.ok(!shown.includes(key));
  const head = await fetch(`${gateway.url}/`, { method: "HEAD" });
  assert.deepEqual([head.status, await head.text()], [200, ""]);
  assert.equal((await fetch(`${gateway.url}/`, { method: "POST" })).status, 405);
});

test("in production, and where nobody said that they develop, / answers 404 as any other path", async (t) => {
  for (const needs of [{}, { production: true }, { production: true, developing: true }]) {
    const gateway = await testGateway(t, {}, needs);
    const { status, text } = await open(`${gateway.url}/`, HTML);
    assert.equal(status, 404);
    assert.doesNotMatch(text, /Sluice|\d\.\d/);
  }
});

test("each port tells what is on it, and no more", async (t) => {
  const settings = {
    socket: { path: "/live/" },
    api: { port: await findFreePort(), keys: [KEY] },
    console: { enabled: false },
  };
  const gateway = await testGateway(t, settings, { developing: true });
  const clients = await open(`${gateway.url}/`, HTML);
  assert.match(clients.text, /href="\/live\/"/);
  assert.doesNotMatch(clients.text, /metrics|console|healthz/);
  const callers = await open(`http://127.0.0.1:${gateway.apiPort}/`);
  assert.match(callers.text, /\/metrics/);
  assert.doesNotMatch(callers.text, /\/live\/|console/);
});

test("metrics at / are not hidden by the page", async (t) => {
  const gateway = await testGateway(t, { metrics: { path: "/" } }, { developing: true });
  assert.match((await open(`${gateway.url}/`, HTML)).text, /^# HELP sluice_/m);
});
