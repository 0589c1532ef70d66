import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { type Answering, type Received, startFunction } from "../harness/function.ts";
import { cases } from "../harness/random.ts";
import { until } from "../harness/wait.ts";
import { testUpstream } from "./rig.ts";

const ATTEMPTS_MAX = 4;

/** What a function does with a request; of a batch, `some` says that every other event failed. */
const DOING = {
  well: () => ({ body: {} }),
  fails: () => ({ status: 500 }),
  refuses: () => ({ status: 422 }),
  pauses: () => ({ status: 429, headers: { "retry-after": "0" } }),
  garbles: () => ({ body: "<html>" }),
  cuts: () => (response) => response.destroy(),
  hangs: () => () => {},
  some: ({ json }) => ({
    body: Array.isArray(json)
      ? { failed: json.filter((_, at) => at % 2 === 0).map(({ id }) => ({ id, retry: true })) }
      : {},
  }),
} as const satisfies Record<string, (request: Received) => Answering>;

const history = fc.record({
  batch: fc.boolean(),
  doing: fc.array(fc.constantFrom(...(Object.keys(DOING) as (keyof typeof DOING)[])), {
    minLength: 1,
    maxLength: 12,
  }),
  /** Whose event each is, and whether somebody waits for it. */
  events: fc.array(fc.record({ socket: fc.nat(3), ack: fc.boolean() }), { maxLength: 40 }),
});

type History = typeof history extends fc.Arbitrary<infer One> ? One : never;

interface Sent {
  readonly id: string;
  readonly socket: string;
  readonly n: number;
}

/** The events that a request holds. */
function sentBy({ json, headers }: Received): Sent[] {
  const all = Array.isArray(json) ? json : [{ id: headers["ce-id"], data: json }];
  return all.map(({ id, data }) => ({ id, socket: data.socket.id, n: data.args[0] }));
}

async function play(t: TestContext, { batch, doing, events }: History) {
  let turn = 0;
  const fn = await startFunction(t, (request) => {
    const now = doing[turn++ % doing.length] ?? "well";
    return DOING[now](request);
  });
  const upstream = testUpstream(t, {
    ...{ url: fn.url, batch, batchMs: 1, attemptsMax: ATTEMPTS_MAX, timeoutMs: 100 },
    ...{ breakerCallsMin: 100_000, retryBudgetPercent: 1000 },
  });
  const lanes = [0, 1, 2, 3].map((socket) => upstream.lane(`s${socket}`));
  const told = new Map<number, number>();
  events.forEach(({ socket, ack }, n) => {
    const tell = () => void told.set(n, (told.get(n) ?? 0) + 1);
    assert.equal(lanes[socket]?.event("x", [n], ack ? tell : undefined), undefined);
  });
  await until(() => upstream.samples().queued.events === 0, "all are over", 60_000);
  const letters = (await upstream.listDeadLetters({ limit: 1000 })).items;
  await upstream.stop();
  await fn.close();
  return { events, told, letters, sent: fn.received.flatMap(sentBy) };
}

function check({ events, told, letters, sent }: Awaited<ReturnType<typeof play>>): void {
  const dead = new Set(letters.map(({ data }) => (data as { args: number[] }).args[0]));
  assert.equal(dead.size, letters.length, "one letter an event");
  events.forEach(({ ack, socket }, n) => {
    const own = sent.filter((one) => one.n === n);
    assert.equal(told.get(n) ?? 0, ack ? 1 : 0, "who waits is told once, nobody else is");
    assert.ok(own.length <= (ack ? 1 : ATTEMPTS_MAX), "at most once, or as often as is allowed");
    // One may have run out of time in its lane.
    if (!ack) assert.ok(own.length >= 1, "at least once");
    assert.ok(new Set(own.map(({ id }) => id)).size <= 1, "under one id");
    assert.ok(own.every((one) => one.socket === `s${socket}`));
    if (dead.has(n)) assert.ok(!ack, "who waits was told");
  });
  for (const socket of new Set(sent.map((one) => one.socket))) {
    const firsts = [...new Set(sent.filter((one) => one.socket === socket).map(({ n }) => n))];
    assert.deepEqual(
      firsts,
      [...firsts].sort((a, b) => a - b),
      "in its order",
    );
  }
}

test("whatever a function does, each socket's events keep their order and their promise", async (t) => {
  await fc.assert(
    fc.asyncProperty(history, async (one) => check(await play(t, one))),
    cases(60),
  );
});
