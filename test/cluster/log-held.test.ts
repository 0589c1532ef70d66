/** What comes while a log reads: entries and messages that must wait, and the order they wait in. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EVERYONE } from "../../src/cluster/log/event-log.ts";
import { fed, type Node, openNode, say } from "./log-kit.ts";
import { createServer, type Step } from "./log-server.ts";

/** Opens a log on two nodes whose every step the test takes; b may hold so many bytes. */
async function openBoth(t: TestContext, heldBytesMax?: number) {
  const server = createServer();
  const sides = { a: server.join("a", false), b: server.join("b", false) };
  const a = openNode(t, fed(sides.a.carrier));
  const b = openNode(t, fed(sides.b.carrier, undefined, heldBytesMax));
  const turn = () => new Promise(setImmediate);
  async function take(node: keyof typeof sides, ...steps: Step[]): Promise<void> {
    for (const step of steps) {
      assert.ok(sides[node].step(step), `${node} ${step}`);
      await turn();
    }
  }
  const opens: Step[] = ["ask", "answer", "subscribe", "push", "ask", "push", "answer"];
  for (const node of ["a", "b"] as const) await take(node, ...opens);
  return { server, sides, a, b, turn, take };
}

test("a message that comes while a log reads waits for the entries that came before it", async (t) => {
  // Seen: what the reading found ended before such an entry, and the message was heard ahead of it.
  const { a, b, turn, take } = await openBoth(t);

  void b.log.subscribe([":late"]);
  await turn();
  await take("b", "subscribe", "push", "ask", "push");
  say(a, [EVERYONE], "1").catch(() => {});
  void a.log.tell(EVERYONE, Buffer.from("2"));
  await take("a", "ask", "ask");
  await take("b", "push", "push", "answer");
  assert.deepEqual(b.heard, ["1", "2 from a"]);
});

test("who subscribes inside an entry hears all after it, if the channel is subscribed to from later on", async (t) => {
  // Seen: a worker that was frozen let a client into a room, and heard only then that another one had
  // joined it before. What had been sent to the room in between reached neither.
  const { a, b, turn, take } = await openBoth(t);
  const say2 = (node: Node, to: string, text: string) => say(node, [to], text).catch(() => {});
  b.inside = (text) => {
    if (text === "join") void b.log.subscribe([":red"]);
  };
  void say2(a, EVERYONE, "join");
  void say2(a, ":red", "1");
  void say2(b, EVERYONE, "2");
  await turn();
  await take("a", "ask", "ask");
  await take("b", "ask", "answer");
  // It knows of 2 by now, and has heard nothing.
  void b.log.subscribe([":red"]);
  await turn();
  await take("b", "push", "subscribe", "push", "push", "ask", "push", "answer");
  await take("b", "subscribe", "push", "ask", "push", "answer");
  assert.deepEqual(b.heard, ["join", "1", "2 (own)"]);
});

test("who subscribes inside an entry hears all after it, if it subscribes again before that has come", async (t) => {
  // Seen: the second subscription began later in the log, and what was owed to the first was left out.
  const { a, b, turn, take } = await openBoth(t);
  b.inside = (text) => {
    if (text === "join") void b.log.subscribe([":red"]);
  };
  void say(a, [EVERYONE], "join").catch(() => {});
  void say(a, [":red"], "1").catch(() => {});
  void say(b, [EVERYONE], "2").catch(() => {});
  await turn();
  await take("a", "ask", "ask");
  await take("b", "push", "ask", "answer");
  // It has heard "join", and knows of 2.
  void b.log.subscribe([":red"]);
  await turn();
  await take("b", "subscribe", "push", "push", "ask", "push", "answer");
  await take("b", "subscribe", "push", "ask", "push", "answer");
  assert.deepEqual(b.heard, ["join", "1", "2 (own)"]);
});

test("what comes after entries are lost is heard, if more came before that is known than may be held", async (t) => {
  // Seen: what was too much to be held was forgotten with what was lost, though it was in the log.
  const { server, a, b, turn, take } = await openBoth(t, 500);
  void b.log.subscribe([":late"]);
  await turn();
  await take("b", "subscribe", "push");
  for (const text of ["1", "2", "3", "4"]) say(a, [EVERYONE], text).catch(() => {});
  await turn();
  await take("a", "ask", "ask", "ask");
  server.trim(0);
  await take("b", "ask", "push", "push", "push", "push");
  // It holds 1, 2 and 3, and has not read that they are gone.
  await take("a", "ask");
  await take("b", "push", "answer");
  assert.equal(b.lost, 1);
  await take("b", "ask", "push", "answer");
  assert.deepEqual(b.heard, ["4"]);
});

test("a message waits for the entries before it that were more than may be held, too", async (t) => {
  // Seen: it was heard with what had been held, ahead of what was then read again.
  const { a, b, turn, take } = await openBoth(t, 500);
  void b.log.subscribe([":late"]);
  await turn();
  await take("b", "subscribe", "push", "ask", "push");
  for (const text of ["1", "2", "3", "4"]) say(a, [EVERYONE], text).catch(() => {});
  void a.log.tell(EVERYONE, Buffer.from("5"));
  await turn();
  await take("a", "ask", "ask", "ask", "ask", "ask");
  await take("b", "push", "push", "push", "push", "push", "answer");
  assert.deepEqual(b.heard, ["1", "2", "3"]);
  await take("b", "ask", "push", "answer");
  assert.deepEqual(b.heard, ["1", "2", "3", "4", "5 from a"]);
});

test("a message waits for the entries of channels that were subscribed to while the log was away", async (t) => {
  // Seen: who had subscribed was not kept waiting, and the message did not wait for the reading that
  // was next, which brought the entry.
  const { sides, a, b, turn, take } = await openBoth(t);
  sides.b.leave();
  await b.log.subscribe([":first"]);
  await turn();
  await b.log.subscribe([":next"]);
  sides.b.back();
  await take("b", "subscribe", "push", "ask");
  say(a, [":next"], "1").catch(() => {});
  void a.log.tell(EVERYONE, Buffer.from("2"));
  await turn();
  await take("a", "ask", "ask");
  await take("b", "push", "push", "answer");
  assert.deepEqual(b.heard, []);
  await take("b", "subscribe", "push", "ask", "push", "answer");
  assert.deepEqual(b.heard, ["1", "2 from a"]);
});
