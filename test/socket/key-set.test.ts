import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { exportJWK, type JWK, SignJWT } from "jose";
import { FailureError } from "../../src/core/failures.ts";
import { readSettings } from "../../src/core/settings.ts";
import { createTokenCheck } from "../../src/socket/tokens.ts";
import { until } from "../harness/wait.ts";

interface Keys {
  readonly url: string;
  fetches: number;
  answer: (response: ServerResponse) => void;
}

async function serveKeys(t: TestContext): Promise<Keys> {
  const keys: Keys = { url: "", fetches: 0, answer: (response) => response.end("{}") };
  const server = createServer((_request, response) => {
    keys.fetches++;
    keys.answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo; // a listening TCP server has one
  return Object.assign(keys, { url: `http://127.0.0.1:${port}/jwks` });
}

async function createKey(kid: string): Promise<{ jwk: JWK; privateKey: KeyObject; kid: string }> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { jwk: { ...(await exportJWK(publicKey)), kid, alg: "ES256" }, privateKey, kid };
}

const sign = (key: { privateKey: KeyObject; kid: string }) =>
  new SignJWT({ sub: "u1" })
    .setProtectedHeader({ alg: "ES256", kid: key.kid })
    .sign(key.privateKey);

const sendKeys = (keys: JWK[]) => (response: ServerResponse) => {
  response.end(JSON.stringify({ keys }));
};

function createCheck(url: string, more: Record<string, unknown> = {}) {
  const clock = { now: Date.now(), failed: 0, lines: 0 };
  const settings = readSettings({ auth: { mode: "jwt", jwksUrl: url, ...more } }).auth;
  const check = createTokenCheck(settings, {
    now: () => clock.now,
    log: () => clock.lines++,
    fetched: (result) => {
      if (result === "failed") clock.failed++;
    },
  });
  return { check, clock };
}

async function codeOf(check: Promise<unknown>): Promise<string> {
  const error: unknown = await check.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof FailureError ? error.code : `not a failure: ${String(error)}`;
}

test("the key set is fetched once for many tokens, and again when a new key shows up", async (t) => {
  const keys = await serveKeys(t);
  const [a, b] = [await createKey("a"), await createKey("b")];
  keys.answer = sendKeys([a.jwk]);
  const { check } = createCheck(keys.url, { jwksCooldownMs: 100 });
  const token = await sign(a);
  await Promise.all(Array.from({ length: 20 }, () => check(token)));
  assert.equal(keys.fetches, 1);
  keys.answer = sendKeys([a.jwk, b.jwk]);
  const rotated = await sign(b);
  await until(
    async () => (await codeOf(check(rotated))) !== "AUTH_INVALID",
    "the new key is known",
  );
  assert.equal((await check(rotated)).sub, "u1");
});

test("unknown keys cannot make the gateway fetch more often than the cooldown", async (t) => {
  const keys = await serveKeys(t);
  const [a, b] = [await createKey("a"), await createKey("b")];
  keys.answer = sendKeys([a.jwk]);
  const { check } = createCheck(keys.url, { jwksCooldownMs: 60_000 });
  const unknown = await sign(b);
  for (let i = 0; i < 20; i++) assert.equal(await codeOf(check(unknown)), "AUTH_INVALID");
  assert.equal(keys.fetches, 1);
});

test("bad answers of the key set are AUTH_UNAVAILABLE and asked again after a second", async (t) => {
  const keys = await serveKeys(t);
  const a = await createKey("a");
  const { check, clock } = createCheck(keys.url, { jwksBytesMax: 1024, jwksTimeoutMs: 100 });
  const token = await sign(a);
  const bad: ((response: ServerResponse) => void)[] = [
    (r) => r.writeHead(500).end(),
    (r) => r.writeHead(302, { location: keys.url }).end(),
    (r) => r.end("not json"),
    (r) => r.end('{"keys":1}'),
    (r) => r.end(`{"keys":[],"x":"${"x".repeat(1100)}"}`),
    (r) => r.end(JSON.stringify({ keys: Array.from({ length: 101 }, () => 1) })),
    (r) => r.destroy(),
    () => {}, // never answers: the timeout ends it
  ];
  for (const [i, answer] of bad.entries()) {
    keys.answer = answer;
    assert.equal(await codeOf(check(token)), "AUTH_UNAVAILABLE", `bad answer ${i}`);
    const before = keys.fetches;
    assert.equal(await codeOf(check(token)), "AUTH_UNAVAILABLE");
    assert.equal(keys.fetches, before, "not asked again at once");
    clock.now += 1000;
  }
  assert.equal(clock.failed, bad.length);
  keys.answer = sendKeys([a.jwk]);
  clock.now = Date.now();
  clock.now += 60_000;
  assert.equal((await check(token)).sub, "u1", "and it recovers");
});

test("while the key set fails the last good one is used, but not forever", async (t) => {
  const keys = await serveKeys(t);
  const [a, b] = [await createKey("a"), await createKey("b")];
  keys.answer = sendKeys([a.jwk]);
  const { check, clock } = createCheck(keys.url, { jwksCooldownMs: 100, jwksStaleMs: 5000 });
  const [known, unknown] = [await sign(a), await sign(b)];
  await check(known);
  keys.answer = (response) => response.writeHead(503).end();
  await until(async () => {
    await codeOf(check(unknown)); // an unknown key asks for a fetch once the cooldown is over
    return clock.failed > 0;
  }, "a fetch failed");
  assert.equal((await check(known)).sub, "u1", "the stale set serves");
  clock.now += 6000;
  const failed = clock.failed;
  await until(async () => {
    await codeOf(check(unknown));
    return clock.failed > failed;
  }, "another fetch failed");
  assert.equal(await codeOf(check(unknown)), "AUTH_UNAVAILABLE", "too old now");
});
