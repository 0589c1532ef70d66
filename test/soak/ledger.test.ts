import assert from "node:assert/strict";
import { test } from "node:test";
import { createLedger } from "./ledger.ts";

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
