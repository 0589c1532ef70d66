/** Who has been told of a join misses nothing that any node says from then on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Socket as Client } from "socket.io-client";
import { startFunction } from "../harness/function.ts";
import { testGateway } from "../harness/gateway.ts";
import { testRedis } from "../harness/redis.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { JOIN_WAYS, KEYS, putIntoRoom, routesTo, SECRET } from "./join-ways.ts";

test("no broadcast is missed that is made after the answer to a join, on whatever node", async (t) => {
  if (!hasTool(t, "redis-server")) return;
  const redis = await testRedis(t);
  const { url } = await startFunction(t, putIntoRoom);
  const start = () =>
    testGateway(t, {
      cluster: { redisUrl: redis.url, timeoutMs: 10_000 },
      api: { keys: KEYS },
      upstream: { secrets: [SECRET], routes: routesTo(url) },
    });
  const [home, asked, speaker] = [await start(), await start(), await start()];
  home.io.on("connection", (socket) => {
    socket.on("join", async (room: string, done: () => void) => {
      await socket.join(room);
      done();
    });
  });
  const wanted: string[] = [];
  const heard: string[] = [];
  const say = (room: string) => {
    wanted.push(room);
    speaker.io.to(room).emit("n", room);
  };
  async function enter(room: string): Promise<Client> {
    const client = home.client({ auth: { room } });
    client.on("n", (what: string) => heard.push(what));
    await next(client.connect(), "connect");
    say(room);
    return client;
  }
  const client = await enter("a function's first answer");
  for (let n = 0; n < 10; n++) {
    for (const [way, join] of Object.entries(JOIN_WAYS)) {
      await join(client, `${way} ${n}`, (n % 2 === 0 ? home : asked).url);
      say(`${way} ${n}`);
    }
    await enter(`a function's rooms ${n}`);
  }
  await until(() => heard.length >= wanted.length, "all of it");
  assert.deepEqual(heard.sort(), wanted.sort());
});
