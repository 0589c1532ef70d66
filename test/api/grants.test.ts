import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { after, test } from "node:test";
import { SignJWT, UnsecuredJWT } from "jose";
import { createKeyring } from "../../src/api/grants.ts";
import { listSettings, readSettings, SettingsError } from "../../src/core/settings.ts";
import { type Gateway, startGateway } from "../../src/gateway/gateway.ts";
import { startApi } from "../harness/api.ts";

const open: (() => unknown)[] = [];
after(async () => {
  for (const close of open) await close();
});
async function serve(api: Parameters<typeof startGateway>[0]): Promise<Gateway> {
  const gateway = await startGateway({ socket: { port: 0, drainMs: 0 }, ...api });
  open.push(() => gateway.stop());
  return gateway;
}

const EMIT = { do: "emit", event: "x" };
const S1 = "first-secret-0123456789";
const S2 = "second-secret-0123456789";
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
async function outcome(answer: Response): Promise<string> {
  const { code } = await answer.json();
  return `${answer.status} ${code ?? "ok"}`;
}

test("without a key every command route is closed and says how to open it; health is not", async () => {
  const api = await startApi({ keys: [] });
  for (const path of ["/v1/commands", "/v1/emit", "/v1/fetchSockets"]) {
    const answer = await api.post(path, EMIT);
    assert.equal(answer.status, 403);
    const problem = await answer.json();
    assert.equal(problem.code, "API_NO_KEY");
    assert.match(problem.title, /SLUICE_API_KEYS=id:secret/);
  }
  for (const path of ["/v1/rooms", "/v1/sockets", "/v1/deadletters"]) {
    assert.equal(await outcome(await api.get(path)), "403 API_NO_KEY");
  }
  for (const path of ["/metrics", "/healthz", "/readyz", "/v1/openapi.json"]) {
    const answer = await fetch(api.on.url + path);
    await answer.text();
    assert.equal(answer.status, 200, path);
  }
  assert.deepEqual(api.applied, []);
});

test("each of several keys opens what it is for, and nothing else", async () => {
  const api = await startApi({
    keys: [`all:${S1}`, `few:${S2}:emit+socketsJoin:/news+/tenant-*`],
  });
  const ask = async (secret: string, command: object) =>
    outcome(await api.post("/v1/commands", command, bearer(secret)));
  assert.equal(await ask(S1, EMIT), "200 ok");
  assert.equal(await ask(S1, { do: "fetchSockets", namespace: "/x" }), "200 ok");
  assert.equal(await ask(S2, { ...EMIT, namespace: "/news" }), "200 ok");
  assert.equal(await ask(S2, { ...EMIT, namespace: "/tenant-7" }), "200 ok");
  const join = { do: "socketsJoin", rooms: ["r"], namespace: "/news" };
  assert.equal(await ask(S2, join), "200 ok");
  assert.equal(await ask(S2, EMIT), "403 API_FORBIDDEN");
  assert.equal(await ask(S2, { ...EMIT, namespace: "/newsroom" }), "403 API_FORBIDDEN");
  assert.equal(await ask(S2, { ...join, do: "socketsLeave" }), "403 API_FORBIDDEN");
  const before = api.applied.length;
  const mixed = [{ ...EMIT, namespace: "/news" }, EMIT];
  const answer = await api.post("/v1/commands", mixed, bearer(S2));
  assert.match((await answer.json()).detail, /^command 1: emit in \/$/);
  assert.equal(api.applied.length, before, "nothing of a batch with a forbidden command is done");
  assert.equal((await api.get("/v1/sockets?namespace=/news", bearer(S2))).status, 403);
  assert.equal((await api.get("/v1/rooms", bearer(S1))).status, 200);
  assert.equal((await api.get("/v1/deadletters", bearer(S2))).status, 403);
});

test("a missing, wrong, shortened, lengthened or misplaced secret is a 401 without a hint", async () => {
  const api = await startApi({ keys: [`a:${S1}`, `b:${S2}`] });
  const wrong = [
    "",
    "Bearer",
    "Bearer ",
    `Bearer ${S1.slice(0, -1)}`,
    `Bearer ${S1}x`,
    `Bearer ${S1} ${S2}`,
    `Bearer a:${S1}`,
    `Basic ${S1}`,
    S1,
    "Bearer *",
    "Bearer __proto__",
  ];
  for (const authorization of wrong) {
    const answer = await api.post("/v1/emit", EMIT, { authorization });
    assert.equal(answer.headers.get("www-authenticate"), "Bearer");
    const text = await answer.text();
    assert.equal(answer.status, 401, authorization);
    assert.doesNotMatch(text, /secret-0/);
  }
  assert.equal((await api.post("/v1/emit", EMIT, { authorization: `bearer ${S1}` })).status, 200);
  assert.equal((await api.post(`/v1/emit?key=${S1}`, EMIT, { authorization: "" })).status, 401);
});

// The README writes keys as `id:secret`, and people sent them so.
test("who sends the id with the secret is told to send the secret alone, right or wrong", async () => {
  const api = await startApi({ keys: [`a:${S1}`] });
  const detailOf = async (authorization: string) => {
    const answer = await api.post("/v1/emit", EMIT, { authorization });
    assert.equal(answer.status, 401);
    return ((await answer.json()) as { detail?: string }).detail;
  };
  const told = "send the secret alone, without the id before it";
  assert.equal(await detailOf(`Bearer a:${S1}`), told);
  assert.equal(await detailOf("Bearer b:wrong"), told);
  assert.equal(await detailOf(`Bearer ${S1}x`), undefined);
});

test("a key of 16 characters is accepted; shorter or odd ones are refused unseen", () => {
  const read = (key: string) => readSettings({ api: { keys: [key] } });
  assert.deepEqual(read(`id:${"s".repeat(16)}`).api.keys.length, 1);
  const odd = [`id:${"s".repeat(15)}`, "s".repeat(20), `:${S1}`, `id:${S1}:`, `id:${S1}:em it`];
  for (const key of odd) {
    assert.throws(
      () => read(key),
      (error) => error instanceof SettingsError && !error.message.includes(key),
      key,
    );
  }
  assert.equal(listSettings().find((row) => row.path === "api.keys")?.secret, true);
  const doubled = () => createKeyring([`a:${S1}`, `a:${S2}`]);
  assert.throws(doubled, /an id of its own/);
  assert.throws(() => createKeyring([`a:${S1}:emitt`]), /emitt: there are emit, /);
  assert.throws(
    () => createKeyring([`a:${S1}:emitt`]),
    (error) => error instanceof SettingsError && !error.message.includes(S1),
  );
});

// A key that was too short stopped the start with `api.keys.0 = (secret): must be list`, and a route without
// a URL likewise: whatever is wrong within a list was told by the bound of the list.
test("what is wrong with one of a list is told, and not that it must be a list", () => {
  const keys = () => readSettings({ api: { keys: [`id:${"s".repeat(15)}`] } });
  assert.throws(keys, /api\.keys\.0 = \(secret\): must be id:secret, .* 16 to 512/);
  const routes = () => readSettings({ upstream: { routes: [{}] } });
  assert.throws(routes, /upstream\.routes\.0\.url = undefined: .*expected string/);
  assert.throws(
    () => readSettings({ api: { keys: "id" } }),
    /api\.keys = \(secret\): must be list/,
  );
  const calls = () => readSettings({ upstream: { calls: ["emit"] } });
  assert.throws(
    calls,
    /upstream\.calls\.0 = "emit": must be connect \| connected \| event \| disconnect/,
  );
});

// A key for `chat` opened nothing, though its neighbour for `emitt` stopped the start; `/a*b` was the
// namespace of that very name, since a * was looked for at the end alone.
test("a key for namespaces that cannot be stops the start", () => {
  for (const namespaces of ["chat", "/a*b", "/+chat*", "**", "/a+"]) {
    const key = `few:${S1}:emit:${namespaces}`;
    assert.throws(() => createKeyring([key]), /few: namespaces begin with/, namespaces);
  }
  for (const namespaces of ["*", "/", "/*", "/a+/b*", "/a:b"]) {
    assert.ok(createKeyring([`few:${S1}:emit:${namespaces}`])(S1), namespaces);
  }
});

test("a token opens what its claim grants, until it ends", async () => {
  const secret = "a-shared-secret-of-thirty-two-bytes";
  const key = new TextEncoder().encode(secret);
  const gateway = await serve({ api: { jwtSecret: secret, jwtIssuer: "me" } });
  const sign = (
    claims: object,
    { audience = "sluice-api", issuer = "me", end = "1m", by = key } = {},
  ) => {
    const token = new SignJWT({ sub: "fn", ...claims })
      .setProtectedHeader({ alg: "HS256" })
      .setAudience(audience)
      .setIssuer(issuer);
    return (end === "" ? token : token.setExpirationTime(end)).sign(by);
  };
  const ask = async (token: string, namespace = "/") => {
    const answer = await fetch(`${gateway.url}/v1/emit`, {
      method: "POST",
      headers: { ...bearer(token), "content-type": "application/json" },
      body: JSON.stringify({ event: "x", namespace }),
    });
    return outcome(await answer);
  };
  const everything = { sluice: {} };
  const good = await sign(everything);
  assert.equal(await ask(good), "200 ok");
  assert.equal(await ask(good), "200 ok", "remembered");
  const few = await sign({ sluice: { commands: ["emit"], namespaces: ["/news"] } });
  assert.equal(await ask(few), "403 API_FORBIDDEN");
  assert.equal(await ask(few, "/news"), "404 COMMANDS_NO_NAMESPACE", "allowed, but not there");
  const refused: [string, string][] = [
    [await sign(everything, { audience: "clients" }), "401 API_UNAUTHENTICATED"],
    [await sign(everything, { issuer: "you" }), "401 API_UNAUTHENTICATED"],
    [await sign(everything, { end: "-1m" }), "401 API_UNAUTHENTICATED"],
    [await sign(everything, { by: new Uint8Array(32) }), "401 API_UNAUTHENTICATED"],
    [`${good.slice(0, -2)}xx`, "401 API_UNAUTHENTICATED"],
    [new UnsecuredJWT({ sub: "fn", ...everything }).encode(), "401 API_UNAUTHENTICATED"],
    [await sign({}), "403 API_FORBIDDEN"],
    [await sign({ sluice: "all" }), "403 API_FORBIDDEN"],
    [await sign({ sluice: { commands: "emit" } }), "403 API_FORBIDDEN"],
    [await sign({ sluice: { commands: ["emitt"] } }), "403 API_FORBIDDEN"],
    [await sign(everything, { end: "" }), "403 API_FORBIDDEN"],
  ];
  for (const [token, expected] of refused) assert.equal(await ask(token), expected, token);
});

// One request without a Content-Type and with `Bearer a.b.c` ended the process, wherever tokens open the
// API: it was a 415 before the token had been checked, and nobody awaited that check's refusal.
test("a request that is refused while its token is checked leaves no rejection behind", async (t) => {
  const rejections: unknown[] = [];
  const note = (error: unknown) => void rejections.push(error);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  const checkToken = () => Promise.reject(new Error("no"));
  const api = await startApi({}, { checkToken });
  const token = { authorization: "Bearer a.b.c" };
  const streamed = { ...token, "content-type": "application/x-ndjson" };
  const statuses = [
    await api.post("/v1/emit", "{}", { ...token, "content-type": "text/plain" }),
    await api.post("/v1/commands", "{}", { ...token, "content-type": "text/plain" }),
    await api.post("/v1/commands", "", { ...streamed, "idempotency-key": "k" }),
    await api.post("/v1/deadletters", "{}", { ...token, "content-type": "text/plain" }),
  ].map(({ status }) => status);
  assert.deepEqual(statuses, [415, 415, 400, 415]);
  await new Promise(setImmediate);
  assert.deepEqual(rejections, []);
});

test("a remembered token is denied once it has ended", async () => {
  let now = 1_000_000_000_000;
  let checks = 0;
  const api = await startApi(
    { keys: [] },
    {
      now: () => now,
      async checkToken() {
        if (++checks > 1) throw new Error("expired");
        return { sub: "fn", exp: now / 1000 + 10, sluice: {} };
      },
    },
  );
  const ask = async () => (await api.post("/v1/emit", EMIT, bearer("a.b.c"))).status;
  assert.deepEqual([await ask(), await ask(), checks], [200, 200, 1]);
  now += 9_999;
  assert.deepEqual([await ask(), checks], [200, 1]);
  now += 1;
  assert.deepEqual([await ask(), checks], [401, 2]);
});

test("keys and tokens go together; a public key checks signatures of its own kind only", async () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const gateway = await serve({ api: { keys: [`k:${S1}`], jwtPublicKey: pem } });
  const token = await new SignJWT({ sub: "fn", sluice: {} })
    .setProtectedHeader({ alg: "EdDSA" })
    .setAudience("sluice-api")
    .setExpirationTime("1m")
    .sign(privateKey);
  const confused = await new SignJWT({ sub: "fn", sluice: {} })
    .setProtectedHeader({ alg: "HS256" })
    .setAudience("sluice-api")
    .setExpirationTime("1m")
    .sign(new TextEncoder().encode(pem));
  const ask = async (presented: string) =>
    (await fetch(`${gateway.url}/v1/rooms`, { headers: bearer(presented) })).status;
  assert.deepEqual([await ask(S1), await ask(token), await ask(confused)], [200, 200, 401]);
});

test("keys that cannot be used stop the start with the setting's own name", async () => {
  await assert.rejects(
    startGateway({ socket: { port: 0 }, api: { jwtSecret: "short" } }),
    (error) => error instanceof SettingsError && /api\.jwtSecret = \(secret\)/.test(error.message),
  );
  await assert.rejects(
    startGateway({ socket: { port: 0 }, api: { jwtJwksUrl: "http://example.com/keys" } }),
    /api\.jwtJwksUrl/,
  );
  await assert.rejects(
    startGateway({ socket: { port: 0 }, api: { keys: [`a:${S1}:emitt`] } }),
    /api\.keys = \(secret\): emitt/,
  );
});
