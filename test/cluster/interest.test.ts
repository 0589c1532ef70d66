/** A join is over when the node hears every room that its sockets have joined so far. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Server } from "socket.io";
import { Adapter } from "socket.io-adapter";
import { followInterest } from "../../src/cluster/interest.ts";

/** An adapter, and a log whose subscriptions stand when the test says so. */
function setUp() {
  const adapter = new Adapter(new Server().sockets);
  const stand = new Map<string, () => void>();
  const asked: string[] = [];
  const interest = followInterest(adapter, {
    subscribe: ([channel = ""]) => {
      asked.push(channel);
      // One that lingers stands already.
      if (channel.startsWith(":lingers")) return Promise.resolve();
      return new Promise((resolve) => void stand.set(channel, resolve));
    },
    unsubscribe: (channels) => void asked.push(...channels.map((channel) => `-${channel}`)),
  });
  const join = (...rooms: string[]) => {
    const joined = { isOver: false };
    adapter.addAll("one", new Set(rooms));
    void interest.heard.then(() => {
      joined.isOver = true;
    });
    return joined;
  };
  return { adapter, interest, stand, asked, join };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a join waits for the rooms of earlier joins whose subscriptions do not stand yet", async () => {
  // Seen: only the last subscription was waited for, and one that lingers stands at once.
  const { stand, join } = setUp();
  const joins = [join("red"), join("lingers"), join("blue", "lingers too"), join("red")];
  const areOver = () => joins.map(({ isOver }) => isOver);
  await turn();
  assert.deepEqual(areOver(), [false, false, false, false]);
  stand.get(":red")?.();
  await turn();
  assert.deepEqual(areOver(), [true, true, false, false]);
  stand.get(":blue")?.();
  await turn();
  assert.deepEqual(areOver(), [true, true, true, true]);
});

test("a room is heard from its first member or holder to its last", async () => {
  const { adapter, interest, asked } = setUp();
  adapter.addAll("one", new Set(["red", 1 as never, Symbol.iterator as never]));
  adapter.addAll("two", new Set(["red"]));
  const releases = [interest.hold(["red", "blue"]), interest.hold(["blue"])];
  adapter.delAll("one");
  adapter.delAll("two");
  assert.deepEqual(asked.splice(0), [":red", "#1", ":blue", "-#1"]);
  for (const release of releases) release();
  assert.deepEqual(asked, ["-:red", "-:blue"]);
});
