import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readAnswer, request } from "../../harness/wire-http.ts";
import { enginePath, openClient, openSession, type WireClient } from "../../harness/wire-io.ts";
import { openTcp } from "../../harness/wire-tcp.ts";
import { formatUpgrade } from "../../harness/wire-ws.ts";
import type { Row } from "../row.ts";

/** Sends requests that wait in an asynchronous middleware, and leaves while they do. */
const leaveWaiting = (
  id: string,
  title: string,
  send: (path: string) => string | Buffer,
  how?: "reset",
): Row => ({
  id,
  title,
  counted: {},
  async attack(port) {
    const name = randomUUID();
    for (let n = 0; n < 20; n++) {
      const tcp = await openTcp(port);
      tcp.write(send(`&wait=${name}`));
      // Answered only after the request before it on the loop was taken in.
      await request(port, { path: enginePath("") });
      tcp.close(how);
    }
    // One more goes through the same middleware and lets the others go on, before it is answered.
    const answer = await request(port, { path: enginePath(`transport=polling&go=${name}`) });
    assert.equal(answer.status, 200, answer.body);
    const { sid } = JSON.parse(answer.body.slice(1));
    const path = enginePath(`transport=polling&sid=${sid}`);
    await request(port, { method: "POST", path, body: "1" });
  },
});

const poll = (more: string) =>
  `GET ${enginePath(`transport=polling${more}`)} HTTP/1.1\r\nHost: a\r\n\r\n`;
const upgrade = (more: string) => formatUpgrade(enginePath(`transport=websocket${more}`));
const wrongUpgrade = (more: string) => formatUpgrade(enginePath(`transport=polling${more}`));

/** Asks, and fails unless the answer is the first packet heard. */
async function hearsNothingElse(client: WireClient): Promise<void> {
  await client.say({ type: 2, nsp: "/", id: 77, data: ["ask"] });
  assert.deepEqual(await client.hear(), { type: 3, nsp: "/", id: 77, data: [] });
}

/** Clients that go away, or are sent away, in the middle of something. */
export const LEAVING_ROWS: readonly Row[] = [
  leaveWaiting("async middleware", "a poll that leaves while its handshake waits", poll),
  leaveWaiting("async middleware", "an upgrade that leaves while its handshake waits", upgrade),
  leaveWaiting(
    "async middleware",
    "an upgrade that is reset while its handshake waits",
    upgrade,
    "reset",
  ),
  leaveWaiting(
    "CVE-2022-41940",
    "an invalid upgrade that is reset while it waits",
    wrongUpgrade,
    "reset",
  ),
  {
    id: "async middleware",
    title: "an upgrade of a session that ends while the upgrade waits",
    counted: { 'sluice_connections_closed_total{reason="client_closed"}': 1 },
    async attack(port) {
      const name = randomUUID();
      const session = await openSession(port, "polling");
      const tcp = await openTcp(port);
      tcp.write(upgrade(`&wait=${name}&sid=${session.sid}`));
      await request(port, { path: enginePath("") });
      await session.send("1");
      // Beside an attack it may be shed, and then lets nobody go on.
      const answer = await request(port, { path: enginePath(`go=${name}`) });
      assert.equal(answer.status, 400, answer.body);
      assert.equal((await readAnswer(tcp)).status, 400);
      tcp.close();
      session.close();
    },
  },
  {
    id: "async middleware",
    title: "a namespace middleware whose client has left joins nobody",
    counted: {},
    async attack(port) {
      for (let n = 0; n < 20; n++) {
        const session = await openSession(port, "websocket");
        await session.send("40/slow,");
        await request(port, { path: enginePath("") });
        session.close(n % 2 === 0 ? "reset" : undefined);
      }
      const session = await openSession(port, "websocket");
      await session.send("40/slow,");
      assert.match(String(await session.next()), /^40\/slow,/);
      session.close();
    },
  },
  {
    id: "leave() in disconnecting",
    title: "an application that leaves every room while its socket goes",
    counted: {},
    async attack(port) {
      for (const codec of ["json", "msgpack"] as const) {
        for (const transport of ["websocket", "polling", "upgraded"] as const) {
          const client = await openClient(port, transport, codec);
          await client.ask("join", "a");
          await client.ask("join", "b");
          if (transport === "polling") await client.session.send("1");
          client.close(transport === "websocket" ? "reset" : undefined);
        }
      }
    },
  },
  {
    id: "denied clients",
    title: "a client that was refused after its middleware joined a room hears nothing of it",
    counted: {},
    async attack(port) {
      const denied = await openClient(port, "websocket", "json");
      await denied.say({ type: 0, nsp: "/joins" });
      assert.equal((await denied.hear()).type, 4);
      const other = await openClient(port, "websocket", "json");
      await other.say({ type: 0, nsp: "/joins" });
      assert.equal((await other.hear()).type, 4);
      // Both would be subscribed to "early" if joins before the verdict counted.
      await other.ask("tell-joins", "early", "secret");
      await hearsNothingElse(denied);
      denied.close();
      other.close();
    },
  },
  {
    id: "kicked clients",
    title: "a namespace that was left is heard no more on the same connection",
    counted: {},
    async attack(port) {
      const one = await openClient(port, "websocket", "json");
      await one.say({ type: 0, nsp: "/dyn-kick" });
      await one.hear();
      await one.say({ type: 2, nsp: "/dyn-kick", id: 1, data: ["join", "vip"] });
      await one.hear();
      await one.say({ type: 1, nsp: "/dyn-kick" });
      const two = await openClient(port, "websocket", "json", "/dyn-kick");
      await two.say({ type: 2, nsp: "/dyn-kick", data: ["tell", "vip", 1] });
      await two.say({ type: 2, nsp: "/dyn-kick", id: 2, data: ["join", "vip"] });
      await two.hear();
      await hearsNothingElse(one);
      one.close();
      two.close();
    },
  },
  {
    id: "topic injection",
    title: "a room of another namespace is not reached by a name made of both",
    counted: {},
    async attack(port) {
      const victim = await openClient(port, "websocket", "json", "/dyn-1");
      await victim.say({ type: 2, nsp: "/dyn-1", id: 1, data: ["join", "vip"] });
      await victim.hear();
      const spies = [];
      for (const nsp of ["/dyn-1 vip", "/dyn-1:vip", "/dyn-1%1fvip", "/dyn-1#vip"]) {
        spies.push({ nsp, client: await openClient(port, "websocket", "json", nsp) });
      }
      await victim.say({ type: 2, nsp: "/dyn-1", data: ["tell", "vip", "secret"] });
      assert.deepEqual((await victim.hear()).data, ["told", "secret"]);
      for (const { nsp, client } of spies) {
        await client.say({ type: 2, nsp, id: 9, data: ["join", "x"] });
        assert.equal((await client.hear()).type, 3);
        client.close();
      }
      victim.close();
    },
  },
  {
    id: "CVE-2024-38355",
    title: 'an event named "error" reaches nobody and ends nothing',
    counted: {},
    async attack(port) {
      for (const codec of ["json", "msgpack"] as const) {
        const client = await openClient(port, "websocket", codec);
        await client.say({ type: 2, nsp: "/", data: ["error", { message: "boom" }] });
        assert.deepEqual(await client.ask("ask", 1), [1]);
        client.close();
      }
    },
  },
  {
    id: "resets",
    title: "a hundred WebSockets that are reset in the middle of a broadcast",
    counted: {},
    async attack(port) {
      const open: WireClient[] = [];
      for (let n = 0; n < 100; n++) {
        const client = await openClient(port, "websocket", n % 2 === 0 ? "json" : "msgpack");
        await client.ask("join", "resets");
        open.push(client);
      }
      const teller = await openClient(port, "websocket", "json");
      for (const [n, client] of open.entries()) {
        await teller.say({ type: 2, nsp: "/", data: ["tell", "resets", n, "x".repeat(500)] });
        client.close("reset");
      }
      assert.deepEqual(await teller.ask("ask", "after"), ["after"]);
      teller.close();
    },
  },
];
