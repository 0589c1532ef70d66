/** Commands with `afterMs` in the memory of one gateway. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Command, CommandResult } from "../../src/core/command.ts";
import type { LogFields } from "../../src/core/log.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import { collect } from "../harness/clients.ts";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

const SECRET = "a-secret-of-the-tests-0123456789";

async function start(t: TestContext, settings: PartialSettings = {}) {
  const lines: LogFields[] = [];
  const keys = [`all:${SECRET}`, `emits:${SECRET}-2:emit`];
  const gateway = await testGateway(
    t,
    { ...settings, api: { keys } },
    { log: (level, fields, text) => void (level === "warn" && lines.push({ ...fields, text })) },
  );
  const post = async (body: unknown, secret = SECRET) => {
    const answer = await fetch(`${gateway.url}/v1/commands`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: answer.status, result: (await answer.json()) as never };
  };
  return {
    ...{ gateway, lines, post },
    apply: async (...commands: Command[]): Promise<CommandResult[]> =>
      (await post(commands)).result,
    outcomes: (outcome: string) => gateway.metric("sluice_fanout_delays_total", { outcome }),
    pending: () => gateway.metric("sluice_fanout_delayed_commands"),
  };
}

const later = (event: string, afterMs: number, key?: string): Command => ({
  ...{ do: "emit", event, afterMs, args: [Buffer.from([1]).toString("hex"), { n: 1 }] },
  ...(key !== undefined && { key }),
});
const ok = { ok: true };

test("each command is carried out after its time, for clients of both codecs, in order", async (t) => {
  const { gateway, apply, pending, outcomes } = await start(t);
  const clients = [
    await gateway.connected({ codec: "json" }),
    await gateway.connected({ codec: "msgpack" }),
  ];
  const seen = clients.map(collect);
  const startedAt = performance.now();
  const results = await apply(
    later("second", 120),
    later("first", 60),
    { do: "socketsJoin", rooms: ["late"], afterMs: 30 },
    { do: "emit", to: ["late"], event: "room", afterMs: 90, key: "k" },
    { do: "emit", event: "now" },
  );
  assert.deepEqual(results, [ok, ok, ok, { ok: true, key: "k" }, ok]);
  await until(() => seen.every((events) => events.length === 4), "all four");
  assert.ok(performance.now() - startedAt >= 120);
  for (const events of seen) {
    assert.deepEqual(
      events.map(([name]) => name),
      ["now", "first", "room", "second"],
    );
    assert.deepEqual(events[1], ["first", "01", { n: 1 }]);
  }
  assert.deepEqual([await pending(), await outcomes("done")], [0, 4]);
  assert.equal(await gateway.metric("sluice_fanout_delays_kept_total"), 4);
  assert.equal(await gateway.metric("sluice_fanout_delayed_bytes"), 0);
  assert.equal(await gateway.metric("sluice_fanout_delay_late_seconds_count"), 4);
});

test("a key cancels its command, is replaced by a later one, and is one namespace's own", async (t) => {
  const { gateway, apply, outcomes } = await start(t);
  gateway.io.of("/other");
  const seen = collect(await gateway.connected());
  const other = collect(await gateway.connected({ namespace: "/other" }));
  const cancelled = { ok: true, cancelled: true };
  const missing = { ok: true, cancelled: false };
  const results = await apply(
    later("replaced", 60_000, "a"),
    later("replacing", 20, "a"),
    later("cancelled", 20, "b"),
    { ...later("other", 20, "b"), namespace: "/other" } as Command,
    { do: "cancel", key: "b" },
    { do: "cancel", key: "b" },
    { do: "cancel", key: "b", namespace: "/none" },
  );
  assert.deepEqual(results.slice(4), [cancelled, missing, missing]);
  await until(() => seen.length === 1 && other.length === 1, "what is left");
  assert.deepEqual([seen[0]?.[0], other[0]?.[0]], ["replacing", "other"]);
  assert.deepEqual(await apply({ do: "cancel", key: "a" }), [missing], "its time has come");
  assert.deepEqual([await outcomes("replaced"), await outcomes("cancelled")], [1, 1]);
  assert.equal(await outcomes("done"), 2);
});

test("above delayedMax or delayedBytesMax a command is refused by name; replacing one is not", async (t) => {
  const small = await start(t, { fanout: { delayedMax: 2 } });
  const full = await small.apply(
    later("x", 60_000, "a"),
    later("x", 60_000),
    later("x", 60_000),
    later("x", 60_000, "a"),
  );
  assert.deepEqual(
    full.map((result) => result.ok || result.code),
    [true, true, "COMMANDS_DELAYED_FULL", true],
  );
  assert.deepEqual([await small.pending(), await small.outcomes("full")], [2, 1]);
  const { status, result } = await small.post(later("x", 60_000));
  assert.deepEqual([status, (result as { code: string }).code], [503, "COMMANDS_DELAYED_FULL"]);
  const bytes = JSON.stringify({ do: "emit", event: "x", args: ["01", { n: 1 }] }).length;
  const tight = await start(t, { fanout: { delayedBytesMax: bytes * 2 } });
  const [one, two, three] = await tight.apply(...Array(3).fill(later("x", 60_000)));
  assert.deepEqual([one?.ok, two?.ok, three?.ok], [true, true, false]);
});

test("a delayed command needs the grant of its own kind, and cancel one of its own", async (t) => {
  const { post } = await start(t);
  const emits = `${SECRET}-2`;
  assert.equal((await post(later("x", 60_000, "k"), emits)).status, 200);
  const join = { do: "socketsJoin", rooms: ["a"], afterMs: 60_000 };
  assert.equal((await post(join, emits)).status, 403);
  assert.equal((await post({ do: "cancel", key: "k" }, emits)).status, 403);
  assert.equal((await post({ do: "cancel", key: "k" })).status, 200);
});

test("who asks for a namespace that is not there, or for other nodes of one alone, hears at once", async (t) => {
  const { gateway, apply, lines, outcomes } = await start(t);
  gateway.io.of("/gone");
  const [none, alone, kept] = await apply(
    { ...later("x", 1), namespace: "/none" } as Command,
    { do: "serverSideEmit", event: "x", afterMs: 1 },
    { ...later("x", 30), namespace: "/gone" } as Command,
  );
  assert.equal(none?.ok === false && none.code, "COMMANDS_NO_NAMESPACE");
  assert.equal(alone?.ok === false && alone.code, "COMMANDS_NO_CLUSTER");
  assert.deepEqual(kept, ok);
  gateway.io._nsps.delete("/gone");
  await until(async () => (await outcomes("refused")) === 1, "the refusal");
  const line = lines.find(({ code }) => code === "COMMANDS_NO_NAMESPACE");
  assert.deepEqual(
    [line?.component, line?.command, line?.namespace, line?.caller],
    ["fanout", "emit", "/gone", "api"],
  );
});

test("a stop leaves no timer and says how many commands are lost", async (t) => {
  const { gateway, apply, lines } = await start(t);
  await apply(later("x", 60_000), later("y", 2_592_000_000, "k"));
  await gateway.stop();
  const line = lines.find(({ commands }) => commands !== undefined);
  assert.deepEqual([line?.component, line?.commands], ["fanout", 2]);
});
