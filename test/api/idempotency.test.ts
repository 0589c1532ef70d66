import assert from "node:assert/strict";
import { test } from "node:test";
import { carryOutOnce, createIdempotency } from "../../src/api/idempotency.ts";
import type { CommandResult } from "../../src/core/command.ts";
import { SECRET, startApi } from "../harness/api.ts";
import { createGate } from "../harness/function.ts";
import { until } from "../harness/wait.ts";
import { readAnswer } from "../harness/wire-http.ts";
import { openTcp } from "../harness/wire-tcp.ts";

const EMIT = { event: "x", args: [1] };
const keyed = (key: string, more: Record<string, string> = {}) => ({
  "idempotency-key": key,
  ...more,
});
const codeOf = async (answer: Response) => `${answer.status} ${(await answer.json()).code ?? "ok"}`;

test("the same key and request get the first answer again, for idempotencyMs and not longer", async () => {
  let now = 0;
  let runs = 0;
  const api = await startApi(
    { idempotencyMs: 1000 },
    { now: () => now, apply: async () => [{ ok: true, next: `run ${++runs}` }] },
  );
  const ask = async (key: string) => {
    const answer = await api.post("/v1/emit", EMIT, keyed(key));
    return [await answer.json(), answer.headers.get("idempotent-replayed")];
  };
  assert.deepEqual(await ask("k"), [{ ok: true, next: "run 1" }, null]);
  now = 999;
  assert.deepEqual(await ask("k"), [{ ok: true, next: "run 1" }, "true"]);
  assert.deepEqual(await ask("other"), [{ ok: true, next: "run 2" }, null]);
  now = 1000;
  assert.deepEqual(await ask("k"), [{ ok: true, next: "run 3" }, null]);
  assert.equal(api.api.samples().idempotencyKeys, 2);
  now = 5000;
  await ask("last");
  assert.equal(api.api.samples().idempotencyKeys, 1, "what is over is forgotten");
});

test("a key of another request is a 422 and nothing is carried out", async () => {
  const api = await startApi();
  assert.equal(await codeOf(await api.post("/v1/emit", EMIT, keyed("k"))), "200 ok");
  const others: [string, object][] = [
    ["/v1/emit", { event: "y" }],
    ["/v1/commands", EMIT],
  ];
  for (const [path, body] of others) {
    assert.equal(await codeOf(await api.post(path, body, keyed("k"))), "422 API_KEY_REUSED");
  }
  assert.equal(api.applied.length, 1);
});

test("two callers' keys never meet", async () => {
  const other = "another-secret-0123456789";
  const api = await startApi({ keys: [`a:${SECRET}`, `b:${other}`] });
  await api.post("/v1/emit", EMIT, keyed("k"));
  const answer = await api.post("/v1/emit", EMIT, keyed("k", { authorization: `Bearer ${other}` }));
  assert.equal(answer.headers.get("idempotent-replayed"), null);
  assert.equal(api.applied.length, 2);
});

// A token that might only emit was answered with the sockets that another of the same subject had
// fetched: the kept answer was given before anybody looked at what the second one might do.
test("tokens of one subject that may do different things do not share their keys", async () => {
  const allowed: Record<string, string> = { "a.a.a": "fetchSockets", "b.b.b": "emit" };
  const checkToken = async (token: string) => ({
    ...{ sub: "fn", exp: 9_999_999_999 },
    sluice: { commands: [allowed[token]] },
  });
  const api = await startApi({}, { checkToken });
  const ask = (token: string) =>
    api.post("/v1/fetchSockets", {}, keyed("k", { authorization: `Bearer ${token}` }));
  assert.equal((await ask("a.a.a")).status, 200);
  assert.equal((await ask("a.a.a")).headers.get("idempotent-replayed"), "true");
  assert.equal(await codeOf(await ask("b.b.b")), "403 API_FORBIDDEN");
});

test("a duplicate waits for the first, also when the first one's client has left", async () => {
  let runs = 0;
  const gate: { open?: () => void } = {};
  const api = await startApi(
    {},
    {
      async apply() {
        runs++;
        await new Promise<void>((resolve) => {
          gate.open = resolve;
        });
        return [{ ok: true }];
      },
    },
  );
  const body = JSON.stringify(EMIT);
  const first = await openTcp(api.on.port);
  first.write(
    api.head("/v1/emit", { "idempotency-key": "k", "content-length": body.length }) + body,
  );
  await until(() => gate.open !== undefined, "the first is being carried out");
  const second = api.post("/v1/emit", body, keyed("k"));
  await until(() => api.on.http.open === 2, "the second waits");
  first.close();
  await until(() => api.on.http.open === 1, "the first has left");
  gate.open?.();
  const answer = await second;
  assert.deepEqual([answer.status, answer.headers.get("idempotent-replayed")], [200, "true"]);
  assert.equal(runs, 1);
});

// A command that took longer than idempotencyMs, such as an emitWithAck of a minute, was begun
// again by its repetition while it was still running: what is old was forgotten whether it was over
// or not.
test("a request that is still running after idempotencyMs is not carried out beside itself", async () => {
  let now = 0;
  let runs = 0;
  const gate = createGate();
  const kept = { idempotencyMs: 1000, idempotencyBytesMax: 65_536 };
  const idempotency = createIdempotency(kept, () => now);
  const ask = async () => {
    const identity = {
      caller: "a",
      key: "k",
      path: "/v1/emit",
      media: "json",
      body: Buffer.from("{}"),
    };
    const outcome = await carryOutOnce(idempotency, identity, async () => {
      runs++;
      await gate.passed;
      return { status: 200 };
    });
    return "repeated" in outcome && outcome.repeated;
  };
  const first = ask();
  now = 1000;
  const second = ask();
  gate.open();
  assert.deepEqual(await Promise.all([first, second]), [false, true]);
  assert.equal(await ask(), false, "once it is over, its time is too");
  assert.equal(runs, 2);
});

test("refused requests are repeated as refused; what failed here may be tried again", async () => {
  let fails = true;
  let runs = 0;
  const api = await startApi(
    {},
    {
      async apply(): Promise<CommandResult[]> {
        runs++;
        return [fails ? { ok: false, code: "COMMANDS_FAILED", detail: "" } : { ok: true }];
      },
    },
  );
  const bad = await api.post("/v1/emit", { event: 5 }, keyed("bad"));
  assert.equal(bad.status, 400);
  const again = await api.post("/v1/emit", { event: 5 }, keyed("bad"));
  assert.deepEqual([again.status, again.headers.get("idempotent-replayed")], [400, "true"]);
  assert.equal((await api.post("/v1/emit", EMIT, keyed("k"))).status, 500);
  fails = false;
  assert.equal((await api.post("/v1/emit", EMIT, keyed("k"))).status, 200);
  assert.equal(runs, 2);
});

test("a key has 1 to 255 characters", async () => {
  const api = await startApi();
  assert.equal((await api.post("/v1/emit", EMIT, keyed("k".repeat(255)))).status, 200);
  const long = await api.post("/v1/emit", EMIT, keyed("k".repeat(256)));
  assert.equal(await codeOf(long), "400 API_BAD_IDEMPOTENCY_KEY");
  const raw = await openTcp(api.on.port);
  raw.write(
    `${api.head("/v1/emit", { "idempotency-key": "", "content-length": 13 })}{"event":"x"}`,
  );
  assert.equal((await readAnswer(raw)).status, 400);
  raw.close();
});

test("new keys are refused while idempotencyBytesMax is taken, kept ones still answer", async () => {
  let now = 0;
  const api = await startApi(
    { idempotencyBytesMax: 65_536, idempotencyMs: 1000 },
    { now: () => now },
  );
  let kept = 0;
  for (;;) {
    const answer = await api.post("/v1/emit", EMIT, keyed(`k${kept}`));
    if (answer.status !== 200) {
      assert.equal(answer.headers.get("retry-after"), "1");
      assert.equal(await codeOf(answer), "503 API_IDEMPOTENCY_FULL");
      break;
    }
    kept++;
    assert.ok(kept < 200, "is never full");
  }
  assert.ok(kept > 50);
  assert.ok(api.api.samples().idempotencyBytes <= 65_536);
  const old = await api.post("/v1/emit", EMIT, keyed("k0"));
  assert.deepEqual([old.status, old.headers.get("idempotent-replayed")], [200, "true"]);
  assert.equal((await api.post("/v1/emit", EMIT)).status, 200, "without a key nothing is kept");
  now = 1000;
  assert.equal((await api.post("/v1/emit", EMIT, keyed("new"))).status, 200);
});

// Seen, by reading: the same bytes sent as JSON and then as msgpack got the first one's answer. The
// old code took path and body for the whole request.
test("the same bytes of another content type are another request", async () => {
  const api = await startApi();
  // 32 is white space before a number in JSON, and a number with a byte after it in msgpack.
  const post = (type: string) => api.post("/v1/emit", " 1", keyed("k", { "content-type": type }));
  assert.equal((await post("application/json")).status, 400);
  assert.equal(await codeOf(await post("application/msgpack")), "422 API_KEY_REUSED");
  const again = await post("application/json; charset=utf-8");
  assert.equal(again.headers.get("idempotent-replayed"), "true");
});

// Seen, by reading: requests at once, each within the bound, kept answers far beyond it together.
// The old code looked at the bytes before there was an answer.
test("answers without room are not kept, and their requests not carried out again", async () => {
  let runs = 0;
  const gate = createGate();
  const api = await startApi(
    { idempotencyBytesMax: 65_536 },
    {
      async apply() {
        runs++;
        await gate.passed;
        return [{ ok: true, next: "x".repeat(30_000) }];
      },
    },
  );
  const first = [0, 1, 2, 3].map((n) => api.post("/v1/emit", EMIT, keyed(`k${n}`)));
  await until(() => runs === 4, "all are carried out at once");
  gate.open();
  for (const answer of first) assert.equal((await answer).status, 200);
  assert.ok(api.api.samples().idempotencyBytes <= 65_536);
  const again = [];
  for (let n = 0; n < 4; n++) again.push(await api.post("/v1/emit", EMIT, keyed(`k${n}`)));
  assert.deepEqual(again.map(({ status }) => status).sort(), [200, 200, 409, 409]);
  for (const answer of again) assert.equal(answer.headers.get("idempotent-replayed"), "true");
  const refused = again.find(({ status }) => status === 409);
  assert.ok(refused);
  assert.equal(await codeOf(refused), "409 API_ANSWER_NOT_KEPT");
  assert.equal(runs, 4);
});
