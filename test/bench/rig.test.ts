import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readArgs } from "../../bench/rig/args.ts";
import { type Build, buildScripts } from "../../bench/rig/build.ts";
import { createContext } from "../../bench/rig/context.ts";
import { isValid } from "../../bench/rig/flags.ts";
import { type Case, measure, openBench, type Plants, witness } from "../../bench/rig/saturation.ts";
import type { Context, Round } from "../../bench/rig/scenario.ts";
import type { Shape } from "../../bench/subjects/host.ts";

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
    gateways: new Map(),
  });
}

async function runOne(name: string, one: Case, plants: Plants = {}): Promise<Round> {
  const context = openContext();
  try {
    const bench = await openBench(context, name, one, plants);
    assert.deepEqual(plants.loseEvery ? [] : await witness(bench, one), []);
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
  const round = await runOne("bare", CASE, { burnUs: 400 });
  assert.ok(codes(round).includes("client_limit"));
  assert.equal(isValid(round.flags ?? []), false);
});

for (const codec of ["json", "msgpack"] as const)
  for (const shape of ["namespace", "room", "sender", "except", "union"] as Shape[])
    test(`bare and stock deliver every ${codec} broadcast to "${shape}" once, in order`, async () => {
      for (const name of ["bare", "stock-uws"]) {
        const round = await runOne(name, { ...CASE, codec, shape });
        assert.ok((round.delivery?.received ?? 0) > 0);
        assert.deepEqual(
          codes(round).filter((code) => !LOUD.has(code)),
          [],
        );
      }
    });
