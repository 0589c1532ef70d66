/** A session whose node has died is as that node kept it last: the log says what came after that. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareIds, type EntryId } from "../../src/cluster/log/event-log.ts";
import { type LogMessage, writeLogMessage } from "../../src/cluster/messages.ts";
import { createRecover } from "../../src/cluster/recover.ts";
import type { Session } from "../../src/cluster/session-text.ts";

const SECOND = 1000;
/** The socket "s" connected here, and is in "red". */
const SINCE = 100 * SECOND;
const SESSION: Session = {
  ...{ sid: "s", pid: "p", rooms: ["s", "red"], data: {}, since: idOf(SINCE), whole: true },
  changes: [],
};

function idOf(ms: number): EntryId {
  return `${ms}-0`;
}

/** A log that begins at `firstMs`. */
function logOf(messages: readonly (readonly [atMs: number, LogMessage])[], firstMs = SINCE) {
  const entries = messages.map(([atMs, message]) => ({
    ...{ id: idOf(atMs), from: "other", n: 1, channels: [], body: writeLogMessage(message) },
  }));
  return {
    async after(id: EntryId) {
      if (compareIds(id, idOf(firstMs)) < 0) return undefined;
      const rest = entries.filter((entry) => compareIds(entry.id, id) > 0);
      return { entries: rest, end: entries.at(-1)?.id ?? id };
    },
    async reached() {},
  };
}

/** Gives a session back to a client that got everything up to a time. */
async function restore(log: ReturnType<typeof logOf>, offsetMs: number, mayLag = true) {
  const recover = createRecover({
    ...{ namespace: "/", log, hold: () => () => {}, ids: new WeakMap() },
    ...{ packetsMax: 100, bytesMax: 1e6, timeoutMs: 10_000 },
    sessions: { lose() {}, claim: async () => ({ session: SESSION, mayLag }) },
  });
  const found = await recover.restore("p", idOf(offsetMs), ({ rooms }) => rooms);
  recover.stop();
  return found && { rooms: found.rooms, missed: found.missedPackets.map(([, n]) => n) };
}

const toS = { rooms: new Set(["s"]) };
const join = (room: string): LogMessage => ({ do: "join", to: toS, rooms: [room] });
const leave = (room: string): LogMessage => ({ do: "leave", to: toS, rooms: [room] });
const emit = (room: string, n: number): LogMessage => ({
  ...{ do: "emit", to: { rooms: new Set([room]) }, data: ["n", n] },
});

test("what was done to a socket before its client got the last packet is done to a session that lacks it", async () => {
  // Seen: a node was cut off from Redis in the moment in which a socket was moved to a room. Its
  // client had got a later packet, and was given its session without the room: the log was read
  // behind that packet alone. After a ban by `socketsLeave` it would have been back in the room.
  const at = SINCE + 60 * SECOND;
  const log = logOf([
    [at, join("blue")],
    [at + 1, leave("red")],
    [at + 2, emit("s", 1)],
    [at + 3, emit("blue", 2)],
    [at + 4, emit("red", 3)],
  ]);
  const found = await restore(log, at + 2);
  assert.deepEqual(found, { rooms: ["s", "blue"], missed: [2] });
});

test("a session that its node has given up is as it was then, and costs no reading before its client's place", async () => {
  const at = SINCE + 60 * SECOND;
  const log = logOf([
    [at, join("blue")],
    [at + 1, emit("s", 1)],
    [at + 2, emit("red", 2)],
  ]);
  assert.deepEqual(await restore(log, at + 1, false), { rooms: ["s", "red"], missed: [2] });
});

test("a client gets its session if the log goes back to its place, and not far before it", async () => {
  const at = SINCE + 60 * SECOND;
  const log = logOf([[at + 1, emit("red", 1)]], at);
  assert.deepEqual(await restore(log, at), { rooms: ["s", "red"], missed: [1] });
});
