import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createClient, type Hub } from "../../bench/generator/client.ts";
import { readArgs } from "../../bench/rig/args.ts";
import { type Build, buildScripts } from "../../bench/rig/build.ts";
import { createContext } from "../../bench/rig/context.ts";
import { isValid } from "../../bench/rig/flags.ts";
import { findProblems } from "../../bench/rig/results.ts";
import { runScenario } from "../../bench/rig/run.ts";
import { exitCodeOf } from "../../bench/rig/run-all.ts";
import { type Case, measure, openRoom, type Saturated } from "../../bench/rig/saturation.ts";
import type { Context, Round, Scenario } from "../../bench/rig/scenario.ts";
import { judgeWitness, observe } from "../../bench/rig/witness.ts";
import type { Codec } from "../../bench/wire/packets.ts";
import { until } from "../harness/wait.ts";

let build: Build;
before(async () => {
  build = await buildScripts();
});
after(() => build.remove());

const CASE: Case = { codec: "json", shape: "room", members: 20, payload: 64, frames: 1 };

function openContext(): Context {
  return createContext({
    options: readArgs([]),
    build,
    placement: { server: undefined, client: undefined },
    signal: new AbortController().signal,
    seed: 1,
    say: () => {},
    note: () => {},
    isLate: () => false,
    peers: new Map(),
    gateways: new Map(),
  });
}

async function runOne(name: string, one: Case, plants: Partial<Saturated> = {}): Promise<Round> {
  const context = openContext();
  try {
    const bench = await openRoom(context, name, one, plants);
    if (!plants.loseEvery) assert.deepEqual(judgeWitness(await observe(bench, one)), []);
    return await measure(bench, one, { pair: 0, durationMs: 60, ...plants });
  } finally {
    await context.closeAll();
  }
}

const codes = (round: Round) => (round.flags ?? []).map((flag) => flag.code);
/** What a loud machine may raise in any round. */
const LOUD = new Set(["server_starved", "client_limit", "overrun"]);

test("a planted message loss is counted and voids the round", async () => {
  const round = await runOne("bare", CASE, { loseEvery: 10 });
  assert.ok(codes(round).includes("lost"));
  assert.ok((round.delivery?.lost ?? 0) > 0);
  assert.equal(isValid(round.flags ?? []), false);
});

test("a planted client limit voids the round", async () => {
  const round = await runOne("bare", CASE, { burnUs: 500, window: 4 });
  assert.ok(codes(round).includes("client_limit"));
  assert.equal(isValid(round.flags ?? []), false);
});

for (const [codec, shape] of [
  ["json", "room"],
  ["json", "except-2"],
  ["json", "union"],
  ["msgpack", "sender"],
  ["msgpack", "namespace"],
] as const)
  test(`bare and stock deliver ${codec} broadcasts of shape "${shape}" once, in order`, async () => {
    const runs = ["bare", "stock-uws"].map((name) => runOne(name, { ...CASE, codec, shape }));
    for (const round of await Promise.all(runs)) {
      assert.ok((round.delivery?.received ?? 0) > 0);
      assert.deepEqual(
        codes(round).filter((code) => !LOUD.has(code)),
        [],
      );
    }
  });

for (const codec of ["json", "msgpack"] as const)
  test(`a handler's burst in ${codec} is delivered once, in order`, async () => {
    const rounds = ["stock-uws", "stock-ws"].map((name) =>
      runOne(name, { ...CASE, codec, frames: 80 }, { inHandler: true }),
    );
    for (const round of await Promise.all(rounds)) {
      assert.equal((round.values.broadcasts ?? 0) % 80, 0);
      assert.ok((round.delivery?.received ?? 0) >= 80 * CASE.members);
      assert.deepEqual(
        codes(round).filter((code) => !LOUD.has(code)),
        [],
      );
    }
  });

test("bare, which has no handler for it, refuses to burst in one", async () => {
  await assert.rejects(runOne("bare", CASE, { inHandler: true }), /no handler for ticks/);
});

test("the control sends byte for byte what stock Socket.IO sends", async () => {
  for (const codec of ["json", "msgpack"] as const) {
    const [bare, stock] = await Promise.all(
      ["bare", "stock-uws"].map((name) => captureMessage(name, codec)),
    );
    assert.ok(bare && bare.length > 50);
    assert.deepEqual(bare, stock);
  }
});

/** The message that one member receives for a broadcast, its scheduled time blanked. */
async function captureMessage(name: string, codec: Codec): Promise<string> {
  const context = openContext();
  let message = "";
  const hub: Hub = {
    buffer: Buffer.alloc(65_536),
    seenRead: () => {},
    take(_, bytes, start, end) {
      const text = bytes.toString("latin1", start, end);
      if (text.includes("~S")) message = text.replace(/T\d{15}/, "T");
      return text.includes("~S");
    },
    joined: () => {},
    closed: () => {},
  };
  try {
    const subject = await context.openSubject(name, { codec });
    const client = createClient(
      {
        target: { host: "127.0.0.1", port: subject.port, path: "/socket.io/", query: "rooms=r" },
        ...{ codec, namespace: "/", auth: undefined, tls: false, role: "member" },
        localAddress: undefined,
      },
      hub,
    );
    await until(() => client.state === "joined", "the client joins");
    const load = { shape: "room", payloadBytes: 64, ratePerS: 100, durationMs: 10 } as const;
    await subject.pace({ ...load, firstSequence: 7 });
    await until(() => message !== "", "the broadcast arrives");
    client.drop();
    return message;
  } finally {
    await context.closeAll();
  }
}

test("what was measured before an interruption is kept, flagged and void", async () => {
  const interrupt = new AbortController();
  const scenario: Scenario = {
    name: "planted",
    question: "?",
    metrics: [{ name: "x", unit: "", better: "lower", text: "x.", ratio: true }],
    async run(context) {
      context.record({ subject: "ours", params: {}, pair: 0, values: { x: 1 } });
      const subject = await context.openSubject("bare", { codec: "json" });
      const pace = { shape: "room", payloadBytes: 64, ratePerS: 10, durationMs: 60_000 } as const;
      setImmediate(() => interrupt.abort(new Error("interrupted")));
      await subject.pace({ ...pace, firstSequence: 0 });
    },
  };
  const result = await runScenario(scenario, {
    ...{
      argv: [],
      options: readArgs([]),
      build,
      say: () => {},
      note: () => {},
      gateways: new Map(),
    },
    ...{ peers: new Map(), isLate: () => false },
    placement: { server: undefined, client: undefined },
    signal: interrupt.signal,
  });
  assert.equal(result.rounds.length, 1);
  assert.equal(result.valid, false);
  assert.ok(result.flags.some((flag) => flag.code === "interrupted"));
  assert.deepEqual(findProblems(JSON.parse(JSON.stringify(result))), []);
  assert.equal(exitCodeOf([result], { strict: false, interrupted: true }), 130);
});
