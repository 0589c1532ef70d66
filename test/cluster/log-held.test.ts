/** What comes while a log reads: entries and messages that must wait, and the order they wait in. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EVERYONE } from "../../src/cluster/log/event-log.ts";
import { fed, openNode, say } from "./log-kit.ts";
import { createServer, type Step } from "./log-server.ts";

test("a message that comes while a log reads waits for the entries that came before it", async (t) => {
  // Seen: what the reading found ended before such an entry, and the message was heard ahead of it.
  const server = createServer();
  const sides = { a: server.join("a", false), b: server.join("b", false) };
  const [a, b] = [openNode(t, fed(sides.a.carrier)), openNode(t, fed(sides.b.carrier))];
  const turn = () => new Promise(setImmediate);
  async function take(node: keyof typeof sides, ...steps: Step[]): Promise<void> {
    for (const step of steps) {
      assert.ok(sides[node].step(step), `${node} ${step}`);
      await turn();
    }
  }
  const opens: Step[] = ["ask", "answer", "subscribe", "push", "ask", "push", "answer"];
  for (const node of ["a", "b"] as const) await take(node, ...opens);

  void b.log.subscribe([":late"]);
  await turn();
  await take("b", "subscribe", "push", "ask", "push");
  say(a, [EVERYONE], "1").catch(() => {});
  void a.log.tell(EVERYONE, Buffer.from("2"));
  await take("a", "ask", "ask");
  await take("b", "push", "push", "answer");
  assert.deepEqual(b.heard, ["1", "2 from a"]);
});
