import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { SignJWT } from "jose";
import { FailureError } from "../../src/core/failures.ts";
import { readSettings, SettingsError } from "../../src/core/settings.ts";
import { createTokenCheck } from "../../src/door/tokens.ts";

const NOW = 1_800_000_000_000;
const SECRET = "0123456789abcdef0123456789abcdef";

function checkWith(auth: Record<string, unknown>, now = NOW) {
  const settings = readSettings({ auth: { mode: "jwt", ...auth } }).auth;
  const needs = { now: () => now, ticks: () => 0, log: () => {}, fetched: () => {} };
  return createTokenCheck(settings, needs);
}

function sign(claims: Record<string, unknown>, key: Uint8Array | KeyObject, alg: string) {
  return new SignJWT(claims).setProtectedHeader({ alg }).sign(key);
}

const shared = new TextEncoder().encode(SECRET);
const seconds = (ms: number) => Math.floor(ms / 1000);

async function codeOf(check: Promise<unknown>): Promise<string> {
  const error = await check.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof FailureError, `rejected with a failure: ${String(error)}`);
  return error.code;
}

test("a token signed with the shared secret gives its claims", async () => {
  const check = checkWith({ secret: SECRET });
  const claims = await check(await sign({ sub: "u1", plan: "pro" }, shared, "HS256"));
  assert.deepEqual(claims, { sub: "u1", plan: "pro" });
});

test("a bad signature, no signature, garbage and an unknown algorithm are AUTH_INVALID", async () => {
  const check = checkWith({ secret: SECRET });
  const good = await sign({ sub: "u1" }, shared, "HS256");
  const other = await sign({ sub: "u1" }, new TextEncoder().encode(`${SECRET}!`), "HS256");
  const [head = "", body = ""] = good.split(".");
  const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.`;
  for (const token of [other, none, `${head}.${body}.`, "x", "a.b.c", "", `${good}x`]) {
    assert.equal(await codeOf(check(token)), "AUTH_INVALID", token);
  }
});

test("the clock tolerance is forgiven to its last second and not beyond", async () => {
  const check = checkWith({ secret: SECRET, clockToleranceMs: 5000 });
  const at = (exp: number) => sign({ sub: "u1", exp: seconds(NOW) + exp }, shared, "HS256");
  assert.equal((await check(await at(-4))).sub, "u1");
  assert.equal(await codeOf(check(await at(-5))), "AUTH_EXPIRED");
  const early = await sign({ sub: "u1", nbf: seconds(NOW) + 6 }, shared, "HS256");
  assert.equal(await codeOf(check(early)), "AUTH_INVALID");
});

test("issuer, audience and the user's claim are asked for when set", async () => {
  const check = checkWith({ secret: SECRET, issuer: ["a", "b"], audience: ["sluice"] });
  const token = (claims: Record<string, unknown>) => sign(claims, shared, "HS256");
  assert.equal((await check(await token({ sub: "u", iss: "b", aud: ["sluice"] }))).sub, "u");
  for (const claims of [
    { sub: "u", iss: "c", aud: "sluice" },
    { sub: "u", iss: "a", aud: "other" },
    { sub: "u", aud: "sluice" },
    { iss: "a", aud: "sluice" },
  ]) {
    assert.equal(await codeOf(check(await token(claims))), "AUTH_INVALID", JSON.stringify(claims));
  }
});

test("public keys of every kind verify, and are never taken for a shared secret", async () => {
  const pairs = [
    ["RS256", generateKeyPairSync("rsa", { modulusLength: 2048 })],
    ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
    ["ES384", generateKeyPairSync("ec", { namedCurve: "P-384" })],
    ["EdDSA", generateKeyPairSync("ed25519")],
  ] as const;
  for (const [alg, { publicKey, privateKey }] of pairs) {
    const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
    const check = checkWith({ publicKey: pem });
    assert.equal((await check(await sign({ sub: alg }, privateKey, alg))).sub, alg);
    const confused = await sign({ sub: alg }, new TextEncoder().encode(pem), "HS256");
    assert.equal(await codeOf(check(confused)), "AUTH_INVALID", alg);
  }
});

test("settings that cannot work are refused at start, and secrets are not in the message", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const privatePem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const secret31 = "tops".padEnd(31, "!");
  const bad: [Record<string, unknown>, RegExp][] = [
    [{}, /one of auth\.secret/],
    [{ secret: SECRET, publicKey: pem }, /one of auth\.secret/],
    [{ secret: secret31 }, /auth\.secret.*at least 32/],
    // Seen: a token that was signed with the public key itself, as HS256, was accepted. A PEM is text
    // of more than 32 bytes, and nothing else was asked of a secret.
    [{ secret: pem }, /auth\.secret.*belongs into auth\.publicKey/],
    [{ publicKey: "/nowhere/key.pem" }, /auth\.publicKey/],
    [{ publicKey: privatePem }, /private key/],
    [{ secret: SECRET, algorithms: ["none"] }, /auth\.algorithms/],
    [{ publicKey: pem, algorithms: ["HS256"] }, /auth\.algorithms/],
    [{ jwksUrl: "http://keys.example/jwks" }, /https/],
    [{ jwksUrl: "nonsense" }, /https/],
  ];
  for (const [auth, message] of bad) {
    assert.throws(
      () => checkWith(auth),
      (error: unknown) =>
        error instanceof SettingsError &&
        message.test(error.message) &&
        !error.message.includes("tops") &&
        !error.message.includes("MI"),
      String(message),
    );
  }
  assert.ok(checkWith({ secret: `${secret31}!` }));
});
