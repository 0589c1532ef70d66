/** The image's health check, run beside a gateway as in a container: with the same variables. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createCertificates } from "../harness/certificates.ts";
import { testGateway } from "../harness/gateway.ts";
import { startProcess } from "../harness/process.ts";

async function check(t: TestContext, env: Record<string, string | undefined>) {
  const none = { PORT: undefined, SLUICE_SOCKET_PORT: undefined, SLUICE_API_PORT: undefined };
  const run = startProcess(t, [process.execPath, "deploy/image/health.mjs"], { ...none, ...env });
  return { code: await run.exit(), text: run.output() };
}

test("it asks the port that the gateway has, and the API port where there is one", async (t) => {
  const gateway = await testGateway(t);
  const port = String(gateway.port);
  for (const env of [{ PORT: port }, { PORT: "1", SLUICE_SOCKET_PORT: port }]) {
    assert.deepEqual(await check(t, env), { code: 0, text: "healthz 200\n" });
  }
  const own = { SLUICE_SOCKET_PORT: "1", SLUICE_API_PORT: port };
  assert.equal((await check(t, own)).code, 0);
  const gone = await check(t, { PORT: "1" });
  assert.deepEqual(gone, { code: 1, text: "healthz on port 1: ECONNREFUSED\n" });
});

test("it passes over what Kubernetes sets for a Service of the same name, as the gateway does", async (t) => {
  // Seen: it asked port NaN. Any text in the variable of a port was taken for one.
  const tls = createCertificates(t).make("a", ["a.example"]);
  const gateway = await testGateway(t, { socket: { tls } });
  const link = "tcp://10.96.0.7:3000";
  const links = { SLUICE_SOCKET_PORT: link, SLUICE_API_PORT: link };
  const env = { PORT: String(gateway.port), SLUICE_SOCKET_TLS_CERT_FILE: tls.certFile };
  assert.deepEqual(await check(t, { ...env, ...links }), { code: 0, text: "healthz 200\n" });
});

test("it speaks TLS with a gateway that does", async (t) => {
  // Seen: a container with a certificate never became healthy. It was asked in plain HTTP.
  const tls = createCertificates(t).make("a", ["a.example"]);
  const gateway = await testGateway(t, { socket: { tls } });
  const env = { PORT: String(gateway.port), SLUICE_SOCKET_TLS_CERT_FILE: tls.certFile };
  assert.deepEqual(await check(t, env), { code: 0, text: "healthz 200\n" });
});
