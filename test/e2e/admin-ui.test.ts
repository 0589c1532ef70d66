/** Socket.IO's own admin UI, as it is: what its server side tells of a gateway is true. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { instrument } from "@socket.io/admin-ui";
import { testGateway } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";

interface Stats {
  readonly clientsCount: number;
  readonly pollingClientsCount: number;
  readonly namespaces: readonly { name: string; socketsCount: number }[];
}

interface AdminSocket {
  readonly id: string;
  readonly transport: string;
  readonly rooms: string[];
}

test("the admin UI sees a gateway's clients, rooms and events, and its commands work", async (t) => {
  const gateway = await testGateway(t);
  instrument(gateway.io, { auth: false, mode: "development" });
  gateway.io.on("connection", (socket) => {
    socket.on("hello", () => socket.emit("welcome", 1));
  });
  const admin = gateway.client({ codec: "json", namespace: "/admin" });
  let stats: Stats | undefined;
  const told: unknown[][] = [];
  admin.on("server_stats", (one: Stats) => (stats = one));
  admin.onAny((...event: unknown[]) => told.push(event));
  admin.connect();
  const first = await gateway.joined();
  const second = await gateway.joined({ codec: "json", transports: ["polling"] });
  await until(() => stats?.clientsCount === 3, "the admin and two clients are counted");
  assert.equal(stats?.pollingClientsCount, 1);
  assert.equal(stats?.namespaces.find(({ name }) => name === "/")?.socketsCount, 2);

  const wasTold = (...wanted: unknown[]) =>
    until(
      () => told.some((event) => wanted.every((one, at) => one === undefined || event[at] === one)),
      `told: ${wanted.join(" ")}`,
    );
  await wasTold("room_joined", "/", first.socket.id, first.socket.id);
  first.socket.join("lobby");
  await wasTold("room_joined", "/", "lobby", first.socket.id);
  first.client.emit("hello");
  await wasTold("event_received", "/", first.socket.id);
  await wasTold("event_sent", "/", first.socket.id);
  gateway.io.to("lobby").emit("news", 2);
  await until(
    () =>
      told.some(([what, , , args]) => what === "event_sent" && (args as string[])[0] === "news"),
    "a broadcast is told of too",
  );

  const sockets = told.findLast(([what]) => what === "all_sockets")?.[1] as AdminSocket[];
  assert.ok(Array.isArray(sockets));
  const joined = told.filter(([what]) => what === "socket_connected").map(([, one]) => one);
  const shown = [...sockets, ...(joined as AdminSocket[])];
  assert.equal(shown.find(({ id }) => id === first.socket.id)?.transport, "websocket");
  assert.equal(shown.find(({ id }) => id === second.socket.id)?.transport, "polling");

  admin.emit("join", "/", "vip", first.socket.id);
  await until(() => first.socket.rooms.has("vip"), "it joined");
  admin.emit("leave", "/", "vip", first.socket.id);
  await until(() => !first.socket.rooms.has("vip"), "it left");
  admin.emit("_disconnect", "/", false, second.socket.id);
  await until(() => !second.client.connected, "it is disconnected");
  await wasTold("socket_disconnected", "/", second.socket.id);
  await until(() => stats?.namespaces.find(({ name }) => name === "/")?.socketsCount === 1, "one");
});
