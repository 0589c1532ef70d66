import assert from "node:assert/strict";
import { test } from "node:test";
import { createLedger } from "./ledger.ts";

test("a packet that is not in the order of the others may come behind a later move of its sender", () => {
  // Seen: a broadcast that asked for acks waited for the reading of another room, and the move that
  // its sender made after it did not.
  for (const loose of [true, false]) {
    const ledger = createLedger();
    ledger.open("sid");
    ledger.send({ n: 1, sender: "other", optional: true, loose }, { rooms: ["f"], except: [] });
    const packet = { n: 2, sender: "other" };
    ledger.move({ of: ["sid"], room: "f", joined: true }, packet);
    ledger.send(packet, { rooms: ["sid"], except: [] });
    ledger.receive("sid", 1);
    ledger.receive("sid", 2);
    assert.equal(ledger.settle().length, loose ? 0 : 1);
  }
});

test("a join that was cut off may come after a move, as long as the session is not back", () => {
  // Seen: a frozen node read a join only after another node had moved the client out of the room.
  // The ledger took the packet behind that move for the end of the join as well.
  const ledger = createLedger();
  const leave = (n: number) => {
    const packet = { n, sender: "other" };
    ledger.move({ of: ["sid"], room: "f", joined: false }, packet);
    ledger.send(packet, { rooms: ["sid"], except: [] });
  };
  ledger.open("sid");
  ledger.begin({ sid: "sid", room: "f", joined: true });
  ledger.lose("sid");
  leave(1);
  ledger.resume("sid");
  ledger.receive("sid", 1);
  assert.equal(ledger.roomsOf("sid").get("f"), false);
  leave(2);
  ledger.receive("sid", 2);
  assert.equal(ledger.roomsOf("sid").get("f"), undefined);
});
