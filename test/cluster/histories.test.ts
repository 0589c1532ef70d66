/**
 * Clients join, leave, are lost, are put into and taken out of rooms meanwhile, and come back: each gets
 * what was for it when it was sent, in order and once.
 */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Socket as ServerSocket } from "socket.io";
import { applyMove, isRecipient, type Move, type Recipients } from "../../src/core/membership.ts";
import { createRandom } from "../fuzz/mutate.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { SEED, TIMES } from "../harness/random.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { type TcpSwitch, tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { next, until } from "../harness/wait.ts";
import { lost, nodesOver, RECOVERY, secretOf } from "./kit.ts";

const HISTORIES = 2 * TIMES;
const STEPS = 150;
const ROOMS = ["r0", "r1", "r2", "r3"];
const CLIENTS = 6;

/** A client, and what it must have received. */
interface Player {
  readonly client: ReturnType<TestGateway["client"]>;
  readonly door: TcpSwitch;
  readonly heard: number[];
  readonly expected: number[];
  /** The rooms of its session; undefined when a disconnect has ended that. */
  rooms: Set<unknown> | undefined;
  id: string;
  socket: ServerSocket;
  state: "here" | "stalled" | "lost";
}

/** Lets a client in, or refuses it. */
type Go = (error?: Error) => void;
type Random = ReturnType<typeof createRandom>;

for (const where of ["in memory", "over Redis"] as const) {
  test(`${where}: in any history each client has exactly what was for it`, async (t) => {
    if (where === "over Redis" && !hasTool(t, "redis-server")) return;
    const redis = where === "over Redis" ? await testRedis(t) : undefined;
    const nodes = await nodesOver(t, redis, { recovery: { ...RECOVERY, roomChangesMax: 1000 } });
    const done = await openMarks(nodes);
    const held: Go[] = [];
    for (const { io } of new Set(nodes)) {
      io.use((socket, go) => (socket.handshake.auth.waits ? void held.push(go) : go()));
    }
    for (let n = 0; n < HISTORIES; n++) {
      const seed = SEED + n;
      t.diagnostic(`seed ${seed}`);
      await play(t, { nodes, redis, done, held, random: createRandom(seed), seed });
    }
  });
}

interface World {
  readonly nodes: readonly [TestGateway, TestGateway];
  readonly redis: TestRedis | undefined;
  /** Waits until all that was emitted and commanded is done on both nodes. */
  done(): Promise<void>;
  /** Who waits to be let in. */
  readonly held: Go[];
  readonly random: Random;
  readonly seed: number;
}

async function play(t: TestContext, world: World): Promise<void> {
  const { nodes, random, done, seed } = world;
  const any = <T>(list: readonly T[]): T => list[random.below(list.length)] as T; // never empty
  const players: Player[] = [];
  for (let n = 0; n < CLIENTS; n++) players.push(await enter(t, world, any(nodes)));
  let last = 0;
  let node = any(nodes);
  const where = () => any([...ROOMS, ...ROOMS, any(players).id]);

  function emit(): void {
    const rooms = new Set(Array.from({ length: random.below(3) }, where));
    const except = new Set(Array.from({ length: random.below(2) }, where));
    const n = last++;
    node.io
      .to([...rooms])
      .except([...except])
      .emit("n", n, "text");
    record(players, { rooms, except }, n);
  }

  function move(): void {
    const to = { rooms: new Set([where()]) };
    const rooms = [any(ROOMS), any(ROOMS)];
    const joins = random.below(2) === 0;
    const [target] = to.rooms;
    const chosen = node.io.in(target as string);
    if (joins) chosen.socketsJoin(rooms);
    else chosen.socketsLeave(rooms);
    moveAll(players, { do: joins ? "join" : "leave", to, rooms });
  }

  /** Joins and leaves of the process itself, while all that was emitted is delivered. */
  async function moveHere(): Promise<void> {
    await done();
    const player = any(players);
    if (player.state === "lost") return;
    const room = any(ROOMS);
    const joins = random.below(2) === 0;
    if (joins) player.socket.join(room);
    else player.socket.leave(room);
    const to = { rooms: new Set([player.id]) };
    moveAll(players, { do: joins ? "join" : "leave", to, rooms: [room] });
  }

  function end(): void {
    const player = players.find(({ state, rooms }) => state === "lost" && rooms);
    if (!player) return;
    node.io.in(player.id).disconnectSockets();
    player.rooms = undefined;
    // What it missed went with its session.
    player.expected.splice(player.heard.length);
  }

  for (let step = 0; step < STEPS; step++) {
    const what = random.below(20);
    if (what < 9) emit();
    else if (what < 12) move();
    else if (what < 14) await moveHere();
    else if (what === 14) node.io.volatile.emit("tick", "text");
    else if (what === 15) {
      await done();
      node = any(nodes);
    } else if (what === 16 && random.below(5) === 0) end();
    else if (what === 17) await waitOutside(any(players), world, () => [emit(), move(), emit()]);
    else await change(any(players), world);
  }
  await done();
  for (const player of players) {
    while (player.state !== "here") await change(player, world);
  }
  for (const player of players) {
    const wanted = () => player.heard.length >= player.expected.length;
    await until(wanted, `${player.expected.length} events of seed ${seed}`).catch(() => {});
  }
  await done();
  for (const [at, { heard, expected }] of players.entries()) {
    assert.deepEqual(heard, expected, `client ${at} of seed ${seed}`);
  }
  for (const { client } of players) client.disconnect();
}

function record(players: readonly Player[], to: Recipients, n: number): void {
  for (const { rooms, expected } of players) if (rooms && isRecipient(rooms, to)) expected.push(n);
}

function moveAll(players: readonly Player[], move: Move): void {
  for (const { rooms } of players) if (rooms) applyMove(rooms, { move, at: 0 }, []);
}

async function openMarks(nodes: readonly TestGateway[]): Promise<() => Promise<void>> {
  let mark = 0;
  const heard: unknown[][] = [];
  for (const each of nodes) {
    const list: unknown[] = [];
    (await each.connected()).on("mark", (n) => list.push(n));
    heard.push(list);
  }
  return async () => {
    for (const { io } of nodes) {
      const n = ++mark;
      io.emit("mark", n);
      await until(() => heard.every((list) => list.includes(n)), "a mark");
    }
  };
}

async function enter(t: TestContext, { random }: World, node: TestGateway): Promise<Player> {
  const door = await tcpSwitch(t, node.port);
  const client = node.client({ codec: random.below(2) === 0 ? "json" : "msgpack" });
  (client.io as unknown as { uri: string }).uri = door.url;
  const heard: number[] = [];
  client.on("n", (n: number) => heard.push(n));
  const arrived = next<[ServerSocket]>(node.io, "connection");
  await next(client.connect(), "connect");
  const [socket] = await arrived;
  const { id } = socket;
  const rooms = new Set<unknown>([id]);
  return { client, door, heard, expected: [], rooms, id, socket, state: "here" };
}

/** Takes a client a step further: its network stalls, its connection is lost, it is back. */
async function change(player: Player, world: World): Promise<void> {
  const { random, redis } = world;
  if (player.state === "here" && random.below(2) === 0) {
    player.door.stall();
    player.state = "stalled";
  } else if (player.state !== "lost") {
    const gone = next(player.socket, "disconnect");
    player.door.flow();
    await gone;
    await until(() => !player.client.connected, "its own disconnect");
    if (redis) await until(() => lost(redis, secretOf(player.client)), "the session");
    player.state = "lost";
  } else await comeBack(player, world);
}

/** A lost client comes, waits while something happens, and is let in or not. */
async function waitOutside(player: Player, world: World, act: () => void): Promise<void> {
  const { random, held, done, redis } = world;
  const { client, rooms, state } = player;
  if (state !== "lost" || !rooms) return;
  client.auth = { waits: true };
  const node = pickNode(player, world);
  const arrived = next<[ServerSocket]>(node.io, "connection");
  arrived.catch(() => {}); // of one that is refused
  const answered = Promise.race([next(client.connect(), "connect"), next(client, "connect_error")]);
  await until(() => held.length === 1, "somebody who waits");
  act();
  if (random.below(2) === 0) await done();
  act();
  client.auth = {};
  if (random.below(2) === 0) {
    held.pop()?.(new Error("not now"));
    await answered;
    if (redis) await until(() => lost(redis, secretOf(client)), "the session");
    client.disconnect();
  } else {
    held.pop()?.();
    await answered;
    await become(player, arrived);
  }
}

async function become(player: Player, arrived: Promise<[ServerSocket]>): Promise<void> {
  const [socket] = await arrived;
  const { client, rooms } = player;
  assert.equal(client.recovered, rooms !== undefined);
  Object.assign(player, { socket, id: socket.id, state: "here" });
  player.rooms ??= new Set([socket.id]);
}

function pickNode({ door }: Player, { nodes, random }: World): TestGateway {
  const node = nodes[random.below(nodes.length)] as TestGateway; // there are two
  door.to(node.port);
  return node;
}

async function comeBack(player: Player, world: World): Promise<void> {
  // What was emitted before a new session begins is not for it.
  if (!player.rooms) await world.done();
  const node = pickNode(player, world);
  const arrived = next<[ServerSocket]>(node.io, "connection");
  await next(player.client.connect(), "connect");
  await become(player, arrived);
}
