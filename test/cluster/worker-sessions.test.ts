/** The sessions of all workers, in their primary. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createPrimarySessions } from "../../src/cluster/worker-sessions.ts";

const LIMITS = { windowMs: 60_000, sessionsMax: 3, bytesMax: 30 };

function start(t: TestContext, more: Partial<typeof LIMITS> = {}) {
  const sessions = createPrimarySessions({ ...LIMITS, ...more });
  t.after(() => sessions.stop());
  const say = (worker: string, part: Parameters<typeof sessions.received>[1]) =>
    sessions.received(worker, part, () => assert.fail("nothing was asked"));
  const ask = (worker: string, name: string) =>
    new Promise<unknown>((resolve) => sessions.received(worker, ["claim", 1, name], resolve));
  const claim = async (worker: string, name: string) =>
    ((await ask(worker, name)) as { session: string } | undefined)?.session;
  return { ...sessions, say, ask, claim };
}

test("a lost session is handed out once", async (t) => {
  const { say, ask, claim } = start(t);
  say("a", ["lose", "/,1", "one"]);
  assert.deepEqual(await ask("b", "/,1"), { session: "one", mayLag: false });
  assert.equal(await claim("b", "/,1"), undefined);
});

test("a worker that is gone has lost the sessions of its sockets, as they were kept last", async (t) => {
  const { say, ask, claim, left } = start(t);
  say("a", ["keep", "/,1", "old"]);
  say("a", ["keep", "/,1", "new"]);
  say("a", ["keep", "/,2", "gone"]);
  say("a", ["drop", "/,2"]);
  say("b", ["keep", "/,3", "other"]);
  left("a");
  assert.deepEqual(await ask("b", "/,1"), { session: "new", mayLag: true });
  assert.equal(await claim("b", "/,2"), undefined);
  assert.equal(await claim("b", "/,3"), undefined, "its own socket is connected");
});

test("who comes while its socket is still connected waits until that is lost", async (t) => {
  const { say, claim, left } = start(t);
  say("a", ["keep", "/,1", "kept"]);
  const claimed = claim("b", "/,1");
  say("a", ["lose", "/,1", "lost"]);
  assert.equal(await claimed, "lost");
  say("a", ["keep", "/,2", "kept"]);
  const other = claim("b", "/,2");
  left("a");
  assert.equal(await other, "kept");
});

test("of clients that come with one session at once, to whichever workers, one gets it", async (t) => {
  const { say, claim, left } = start(t);
  say("a", ["lose", "/,1", "lost"]);
  const [first, second] = [claim("b", "/,1"), claim("c", "/,1")];
  assert.deepEqual(await Promise.all([first, second]), ["lost", undefined]);
  say("a", ["keep", "/,2", "kept"]);
  const waiting = ["b", "c", "b"].map((worker) => claim(worker, "/,2"));
  left("a");
  assert.deepEqual(await Promise.all(waiting), ["kept", undefined, undefined]);
  assert.equal(await claim("c", "/,2"), undefined);
});

test("over a limit the sessions that were lost first are dropped", async (t) => {
  const { say, claim } = start(t);
  for (const n of [1, 2, 3]) say("a", ["lose", `/,${n}`, "0123456789"]);
  say("a", ["lose", "/,4", "x"]);
  assert.equal(await claim("b", "/,1"), undefined);
  assert.equal(await claim("b", "/,2"), "0123456789");
  say("a", ["lose", "/,5", "0123456789"]);
  say("a", ["keep", "/,6", "0123456789"]);
  assert.equal(await claim("b", "/,3"), undefined, "31 bytes");
  assert.equal(await claim("b", "/,4"), "x");
  say("a", ["keep", "/,7", "0123456789012345678901234567890"]);
  assert.equal(await claim("b", "/,7"), undefined, "what is larger than all is not kept");
});
