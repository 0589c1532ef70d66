import assert from "node:assert/strict";
import { test } from "node:test";
import type { Letter } from "../../src/core/journal.ts";
import { createDeadLetters } from "../../src/upstream/dead-letters.ts";
import { startFunction } from "../harness/function.ts";
import { until } from "../harness/wait.ts";
import { testUpstream } from "./rig.ts";

const ROOM = { deadLettersMax: 100, deadLetterBytesMax: 1_000_000, deadLetterAgeMs: 1000 };

function letter(id: string, more: Partial<Letter> = {}): Letter {
  const about = { route: "default", reason: "UPSTREAM_FAILED", attempts: 1, at: 0 };
  return { id, ...about, lane: "/,s1", text: "", ...more };
}

test("dead letters are listed by route and reason, page by page", async () => {
  const letters = createDeadLetters(ROOM, () => 0);
  for (let n = 0; n < 6; n++) letters.add(letter(`${n}`, { route: n % 2 ? "odd" : "even" }));
  letters.add(letter("6", { route: "even", reason: "UPSTREAM_GONE" }));
  const idsOf = async (page: Parameters<typeof letters.list>[0]) =>
    (await letters.list(page)).items.map(({ id }) => id);
  const even = await letters.list({ limit: 2, route: "even" });
  assert.deepEqual(
    even.items.map(({ id }) => id),
    ["0", "2"],
  );
  // What a page ended with may have been taken out since.
  await letters.take("2");
  assert.deepEqual(await idsOf({ limit: 2, route: "even", after: even.next }), ["4", "6"]);
  assert.deepEqual(await idsOf({ limit: 9, reason: "UPSTREAM_GONE" }), ["6"]);
  assert.equal((await letters.list({ limit: 6 })).next, undefined, "a last page that is full");
  assert.deepEqual(await idsOf({ limit: 9, route: "none" }), []);
});

test("a dead letter is kept for deadLetterAgeMs, and not a millisecond more", async () => {
  let now = 0;
  const letters = createDeadLetters(ROOM, () => now);
  letters.add(letter("a", { at: 0 }));
  letters.add(letter("b", { at: 1 }));
  now = 1000;
  assert.equal(letters.samples.held, 2);
  now = 1001;
  assert.deepEqual({ ...letters.samples }, { held: 1, bytes: 512, added: 2, dropped: 0 });
  assert.equal(await letters.take("a"), undefined);
  assert.equal((await letters.take("b"))?.letter.id, "b");
  assert.equal(await letters.take("b"), undefined, "only once");
  assert.equal(letters.samples.bytes, 0);
});

test("a dead letter says what failed where, and is replayed by route and reason", async (t) => {
  const fn = await startFunction(t, ({ path }) => ({ status: path === "/bad" ? 418 : 200 }));
  const routes = [
    { name: "bad", namespace: "/", event: "bad", url: `${fn.url}/bad` },
    { namespace: "/", event: "worse", url: `${fn.url}/bad` },
  ];
  const upstream = testUpstream(t, { routes });
  const lane = upstream.lane();
  for (const name of ["bad", "worse", "bad"]) lane.event(name, [Buffer.from([1, 2])]);
  await until(() => upstream.samples().queued.events === 0, "all are over");
  const { items } = await upstream.listDeadLetters({ limit: 9, route: "bad" });
  assert.equal(items.length, 2);
  const [{ id, at, ...first } = { id: "", at: 0 }] = items;
  assert.match(id, /^evt_/);
  assert.ok(at > 0);
  assert.deepEqual(first, {
    ...{ route: "bad", reason: "UPSTREAM_REJECTED", attempts: 1, status: 418, detail: undefined },
    ...{ type: "event", namespace: "/", socketId: "s1" },
    data: {
      socket: { id: "s1", namespace: "/", userId: "user of s1", data: {} },
      ...{ event: "bad", args: [Buffer.from([1, 2])], ack: false },
    },
  });
  assert.deepEqual(await upstream.replayDeadLetters({ reason: "UPSTREAM_GONE" }), []);
  fn.answer = () => ({});
  const replayed = await upstream.replayDeadLetters({ route: "bad" });
  assert.deepEqual(
    replayed.map(({ outcome }) => outcome),
    ["delivered", "delivered"],
  );
  const left = await upstream.listDeadLetters({ limit: 9 });
  assert.deepEqual(
    left.items.map(({ route }) => route),
    ["worse"],
  );
});
