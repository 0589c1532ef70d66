/** Over several nodes behind Redis, every socket gets what one in-memory adapter would send it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Socket as ServerSocket } from "socket.io";
import { createModel } from "../fanout/model.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { cases } from "../harness/random.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";

const CASES = cases(100);
const PLAYERS = 6;
const ROOMS = ["a", "b", "c", ""];

const who = fc.nat(PLAYERS - 1);
const ref = fc.oneof(
  { weight: 4, arbitrary: fc.record({ room: fc.constantFrom(...ROOMS) }) },
  { weight: 1, arbitrary: fc.record({ own: who }) },
);
const move = fc.record({ who, joins: fc.boolean(), room: fc.constantFrom(...ROOMS) });
const cast = fc.record({
  node: fc.nat(2),
  from: fc.option(who, { nil: undefined }),
  to: fc.array(ref, { maxLength: 3 }),
  except: fc.array(ref, { maxLength: 2 }),
  bytes: fc.boolean(),
});
/** Moves, then broadcasts of all nodes at once; those have arrived before the next round. */
const rounds = fc.array(
  fc.record({ moves: fc.array(move, { maxLength: 6 }), casts: fc.array(cast, { maxLength: 8 }) }),
  { minLength: 1, maxLength: 5 },
);

for (const count of [2, 3]) {
  test(`any history over ${count} nodes is delivered exactly, in each node's order`, async (t) => {
    if (!hasTool(t, "redis-server")) return;
    const redis = await testRedis(t);
    const cluster = { redisUrl: redis.url };
    const nodes: TestGateway[] = [];
    for (let at = 0; at < count; at++) nodes.push(await testGateway(t, { cluster }));
    const nodeOf = (at: number) => nodes[at % count] as TestGateway;
    await until(async () => {
      const seen = await Promise.all(nodes.map(({ io }) => io.of("/").adapter.serverCount()));
      return seen.every((servers) => servers === count);
    }, "all nodes");
    const sockets: ServerSocket[] = [];
    const heard: string[][] = [];
    for (let at = 0; at < PLAYERS; at++) {
      const node = nodeOf(at);
      const arrived = next<[ServerSocket]>(node.io, "connection");
      const client = await node.connected({ codec: at % 3 === 0 ? "json" : "msgpack" });
      const inbox: string[] = [];
      client.on("n", (entry: string | Uint8Array) => inbox.push(Buffer.from(entry).toString()));
      heard.push(inbox);
      sockets.push((await arrived)[0]);
    }
    let casts = 0;
    let deliveries = 0;

    async function play(history: typeof rounds extends fc.Arbitrary<infer T> ? T : never) {
      const model = createModel();
      const logs = sockets.map((): unknown[] => []);
      for (const [at, { id }] of sockets.entries()) {
        const log = logs[at] ?? [];
        model.connect(id, { isOpen: () => true, isWritable: () => true, log });
        heard[at]?.splice(0);
      }
      const name = (given: { room: string } | { own: number }) =>
        "room" in given ? given.room : (sockets[given.own]?.id ?? "");
      for (const { moves, casts: given } of history) {
        for (const { who: at, joins, room } of moves) {
          const socket = sockets[at] as ServerSocket; // `who` is below PLAYERS
          if (joins) {
            socket.join(room);
            model.join(socket.id, [room]);
          } else {
            socket.leave(room);
            model.leave(socket.id, room);
          }
        }
        for (const { node, from, to, except, bytes } of given) {
          const socket = from === undefined ? undefined : sockets[from];
          const sender = (from ?? node) % count;
          const entry = `${sender} ${casts++}`;
          const rooms = to.map(name);
          const not = except.map(name);
          (socket ?? nodeOf(sender).io)
            .to(rooms)
            .except(not)
            .emit("n", bytes ? Buffer.from(entry) : entry);
          const out = new Set(socket ? [...not, socket.id] : not);
          deliveries += model.broadcast(entry, { rooms: new Set(rooms), except: out });
        }
        for (const [at, { io }] of nodes.entries()) {
          const entry = `${at} end ${casts++}`;
          io.emit("n", entry);
          model.broadcast(entry, { rooms: new Set(), except: new Set() });
        }
        await until(
          () => heard.every((inbox, at) => inbox.length >= (logs[at]?.length ?? 0)),
          "the round",
        );
      }
      for (const sender of nodes.keys()) {
        const of = (all: unknown[]) =>
          all.filter((entry) => String(entry).startsWith(`${sender} `));
        assert.deepEqual(heard.map(of), logs.map(of));
      }
      for (const socket of sockets) for (const room of ROOMS) socket.leave(room);
    }
    await fc.assert(fc.asyncProperty(rounds, play), CASES);
    t.diagnostic(`${casts} broadcasts, ${deliveries} deliveries`);
    assert.ok(deliveries > CASES.numRuns * 5, "the histories say something");
  });
}
