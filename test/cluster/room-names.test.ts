/** Rooms whose names other nodes cannot be told of are rooms of one node alone. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  channelsOf,
  type LogMessage,
  readLogMessage,
  readTold,
  writeLogMessage,
  writeTold,
} from "../../src/cluster/messages.ts";
import { isRecipient } from "../../src/core/membership.ts";

const HALVES = ["\ud800", "\ud801", "a\udc00", `${"x".repeat(300)}\ud800`];
const BODIES = { json: ["m", 1], msgpack: ["m", Uint8Array.of(1)] };

for (const [kind, data] of Object.entries(BODIES)) {
  test(`${kind}: half a surrogate pair in a room's name, or no text at all, is told to nobody`, () => {
    // Seen: Redis, and bytes between nodes, took all of them for one room, "\ufffd": what was for
    // one was delivered in that, or in none. And no rooms left were everyone.
    for (const room of [...HALVES, Symbol("mine"), Number.NaN]) {
      const to = { rooms: new Set<unknown>([room]), except: new Set<unknown>() };
      assert.deepEqual(channelsOf(to), { channels: [], all: false });
      const emit: LogMessage = { do: "emit", to, data };
      const read = [
        readLogMessage(writeLogMessage(emit)),
        readTold(writeTold({ do: "ask", to, data, request: 1 })),
        readTold(writeTold({ do: "fetch", to, request: 1 })),
      ];
      for (const each of read) {
        assert.ok(each && "to" in each);
        const inside = new Set<unknown>(["red", "\ufffd", room]);
        assert.equal(isRecipient(inside, each.to), false);
      }
      const both = { ...to, rooms: new Set<unknown>([room, "red", "\ud83d\ude00"]) };
      const other = readLogMessage(writeLogMessage({ ...emit, to: both }));
      assert.deepEqual([...(other?.to.rooms ?? [])], ["red", "\ud83d\ude00"]);
    }
  });
}
