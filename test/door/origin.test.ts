import assert from "node:assert/strict";
import { test } from "node:test";
import { SettingsError } from "../../src/core/settings.ts";
import { createOriginCheck } from "../../src/door/origin.ts";

const SAME = { origins: [], originless: true, forwardedHost: false };
const ask = (headers: Record<string, string>) => ({ headers });

test("by default only pages of the gateway's own host and port are let in", () => {
  const check = createOriginCheck(SAME);
  const host = "chat.example:3000";
  assert.equal(check.allows(ask({ host, origin: "http://chat.example:3000" })), true);
  assert.equal(check.allows(ask({ host, origin: "http://CHAT.example:3000" })), true);
  assert.equal(check.allows(ask({ host, origin: "http://chat.example" })), false);
  assert.equal(check.allows(ask({ host, origin: "http://evil.example" })), false);
  assert.equal(check.allows(ask({ host, origin: "http://chat.example:3000.evil.example" })), false);
  assert.equal(check.allows(ask({ host, origin: "null" })), false);
  assert.equal(check.allows(ask({ origin: "http://chat.example" })), false, "no Host");
});

test("default ports are the same host with and without being written", () => {
  const check = createOriginCheck(SAME);
  assert.equal(check.allows(ask({ host: "a.example:443", origin: "https://a.example" })), true);
  assert.equal(check.allows(ask({ host: "a.example", origin: "http://a.example:80" })), true);
  assert.equal(check.allows(ask({ host: "a.example:443", origin: "http://a.example" })), false);
});

test("clients without an Origin are let in or not by setting", () => {
  assert.equal(createOriginCheck(SAME).allows(ask({ host: "a" })), true);
  assert.equal(createOriginCheck({ ...SAME, originless: false }).allows(ask({ host: "a" })), false);
});

test("listed origins and one-star patterns are let in, their look-alikes are not", () => {
  const origins = ["https://app.example", "https://*.shop.example"];
  const check = createOriginCheck({ ...SAME, origins });
  const host = "gateway.example";
  const asks = (origin: string) => check.allows(ask({ host, origin }));
  assert.equal(asks("https://app.example"), true);
  assert.equal(asks("https://a.shop.example"), true);
  assert.equal(asks("https://a.b.shop.example"), true);
  assert.equal(asks("https://gateway.example"), true, "its own host stays allowed");
  for (const other of [
    "http://app.example",
    "https://app.example.evil",
    "https://shop.example",
    "https://.shop.example.evil",
    "https://evil.example/.shop.example",
    "https://user@x.shop.example",
  ]) {
    assert.equal(asks(other), false, other);
  }
});

test("origins that no browser sends are refused at the start, each by its name", () => {
  // Seen: a gateway that turned its own page away, without a word. What is compared as it stands
  // must be written as browsers write it, and nothing had looked.
  const never = [
    ...["https://app.example/", "https://app.example:443", "http://app.example:80", "app.example"],
    ...["https://*.*.example", "*.example", "https://app.*", "https://müller.example", "", "**"],
    ...["https://a.example https://b.example", "https://app.example/path", "https://u@app.example"],
  ];
  assert.throws(
    () => createOriginCheck({ ...SAME, origins: ["https://app.example", ...never] }),
    (error: unknown) =>
      error instanceof SettingsError &&
      never.every((origin, i) => error.problems[i]?.value === JSON.stringify(origin)) &&
      error.problems.length === never.length,
  );
  const fine = [
    ...["https://app.example", "http://app.example:8080", "HTTPS://App.Example", "null", "*"],
    ...["https://*.app.example", "https://*.app.example:8443", "http://[::1]:3000", "https://*"],
    ...["capacitor://localhost", "chrome-extension://abcdefgh", "https://xn--mller-kva.example"],
  ];
  assert.ok(createOriginCheck({ ...SAME, origins: fine }));
});

test("`*` lets every page in and never with credentials", () => {
  const check = createOriginCheck({ ...SAME, origins: ["*"] });
  const request = ask({ host: "a", origin: "https://anyone.example" });
  assert.equal(check.allows(request), true);
  assert.deepEqual(check.headers(request), [["Access-Control-Allow-Origin", "*"]]);
});

test("CORS headers name the allowed origin, vary by it and are absent for a refused one", () => {
  const check = createOriginCheck({ ...SAME, origins: ["https://app.example"] });
  assert.deepEqual(check.headers(ask({ host: "g", origin: "https://app.example" })), [
    ["Access-Control-Allow-Origin", "https://app.example"],
    ["Access-Control-Allow-Credentials", "true"],
    ["Vary", "Origin"],
  ]);
  assert.deepEqual(check.headers(ask({ host: "g", origin: "https://x" })), [["Vary", "Origin"]]);
  assert.deepEqual(check.headers(ask({ host: "g" })), [["Vary", "Origin"]]);
});

test("a preflight is answered with methods and the headers asked for, if those are plain names", () => {
  const check = createOriginCheck({ ...SAME, origins: ["https://app.example"] });
  const request = { host: "g", origin: "https://app.example" };
  const asked = (names: string) =>
    new Map(check.preflight(ask({ ...request, "access-control-request-headers": names })) ?? []);
  assert.equal(
    asked("authorization, x-a").get("Access-Control-Allow-Headers"),
    "authorization, x-a",
  );
  assert.equal(
    asked("authorization").get("Access-Control-Allow-Methods"),
    "GET,HEAD,PUT,PATCH,POST,DELETE",
  );
  assert.equal(asked("a\r\nSet-Cookie: x").has("Access-Control-Allow-Headers"), false);
  assert.equal(asked(`a,${"b".repeat(2000)}`).has("Access-Control-Allow-Headers"), false);
  const refused = check.preflight(ask({ host: "g", origin: "https://evil.example" }));
  assert.deepEqual(refused, [["Vary", "Origin"]]);
});

test("behind a proxy the forwarded host is compared only when it is believed", () => {
  const headers = {
    host: "internal:3000",
    "x-forwarded-host": "a.example",
    origin: "https://a.example",
  };
  assert.equal(createOriginCheck(SAME).allows(ask(headers)), false);
  assert.equal(createOriginCheck({ ...SAME, forwardedHost: true }).allows(ask(headers)), true);
});
