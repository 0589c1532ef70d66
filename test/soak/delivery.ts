/**
 * Random play against one gateway, with every packet numbered and an account for each session of
 * what it must have received: both codecs, all transports, rooms, unions, exceptions, direct emits,
 * slow readers, upgrades, lost and resumed sessions. A hole, a double, a wrong order or a packet
 * for somebody else is a fault; so is a resumed session with other rooms than it had.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Server, Socket as ServerSocket } from "socket.io";
import type { Socket } from "socket.io-client";
import { createRandom, type Random } from "../../bench/rig/stats.ts";
import { startGateway } from "../../src/index.ts";
import { newClient, WAYS } from "../harness/gateway.ts";
import { until } from "../harness/wait.ts";
import { type Change, createLedger, type Ledger, type Recipients } from "./ledger.ts";

/** How long and how hard. */
export interface DeliveryOptions {
  readonly seconds: number;
  /** Least rounds, however long they take; each ends with every account settled. */
  readonly rounds: number;
  readonly clients: number;
  readonly seed: number;
  /** Whether lost sessions can be resumed. */
  readonly recovery: boolean;
  /** Told after each round. */
  readonly seen?: (totals: DeliveryTotals) => void;
  /** Loses every packet whose number is a multiple of this: proves that a hole is found. */
  readonly loseEvery?: number;
}

/** What was played. */
export interface DeliveryTotals {
  rounds: number;
  packets: number;
  /** Packets that were due, over all recipients. */
  due: number;
  received: number;
  /** Connections lost, by what Socket.IO called it. */
  lost: Record<string, number>;
  resumed: number;
  /** What should not have been; empty is a pass. */
  readonly wrong: string[];
}

const ROOMS = ["a", "b", "c", "d", "e", "f"] as const;
const TURNS_A_ROUND = 60;
const STEPS_A_TURN = 12;
/** Kernel buffers of the loopback hold some megabytes before a reader is seen to be slow. */
const FLOOD = { packets: 80, bytes: 65_536 };
/** Socket.IO's reasons after which a session is kept. */
const RESUMABLE = new Set([
  "transport error",
  "transport close",
  "forced close",
  "ping timeout",
  "server shutting down",
  "forced server close",
]);

interface Stage {
  readonly io: Server;
  readonly clients: readonly Socket[];
  readonly ledger: Ledger;
  readonly random: Random;
  readonly totals: DeliveryTotals;
  /** WebSockets that were told to read nothing, some of which their clients have left since. */
  readonly paused: Set<PausableWebSocket>;
}

interface PausableWebSocket {
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** Plays until its time is over; resolves with what was found. */
export async function playDelivery(options: DeliveryOptions): Promise<DeliveryTotals> {
  const { recovery, seed, loseEvery = Number.POSITIVE_INFINITY } = options;
  const gateway = await startGateway({
    socket: {
      host: "127.0.0.1",
      port: 0,
      drainMs: 0,
      bufferBytesMax: 262_144,
      stallMsMax: 2000,
    },
    recovery: { windowMs: recovery ? 60_000 : 0 },
    fanout: { unionMembersMax: 40 },
    limits: { addressHandshakesPerSecond: 0, handshakesPerSecond: 0 },
    overload: { enabled: false },
    metrics: { defaults: false },
  });
  const totals = { rounds: 0, packets: 0, due: 0, received: 0, lost: {}, resumed: 0, wrong: [] };
  const ledger = createLedger({ atOnce: true });
  gateway.io.on("connection", (socket) => keepAccount(socket, { ledger, totals, recovery }));
  const clients: Socket[] = [];
  const ways = Object.values(WAYS);
  for (let at = 0; at < options.clients; at++) {
    const client = newClient(gateway.url, {
      codec: at % 2 === 0 ? "msgpack" : "json",
      transports: [...(ways[(at >> 1) % ways.length] ?? WAYS.websocket)],
      reconnection: true,
      reconnectionDelay: 20,
    });
    clients.push(client);
    client.on("n", (n: number, ...more: unknown[]) => {
      if (n % loseEvery === 0) return;
      totals.received++;
      ledger.receive(client.id ?? "", n);
      const answer = more.at(-1);
      if (typeof answer === "function") answer(n);
    });
    // What the client decoded after its connection had closed, it would give to the next session.
    client.io.on("open", () => void client.receiveBuffer.splice(0));
    client.connect();
  }
  const random = createRandom(seed);
  const stage: Stage = { io: gateway.io, clients, ledger, random, totals, paused: new Set() };
  const end = Date.now() + options.seconds * 1000;
  try {
    await settle(stage);
    while (totals.wrong.length === 0 && (totals.rounds < options.rounds || Date.now() < end)) {
      for (let count = 0; count < TURNS_A_ROUND; count++) {
        const steps = 1 + Math.floor(stage.random() * STEPS_A_TURN);
        for (let step = 0; step < steps; step++) play(stage);
        await turn();
      }
      await settle(stage);
      totals.rounds++;
      options.seen?.(totals);
    }
  } finally {
    readAgain(stage);
    for (const client of clients) client.disconnect();
    await gateway.stop();
  }
  return totals;
}

/** Opens, resumes and loses the account of a server's socket. */
function keepAccount(
  socket: ServerSocket,
  { ledger, totals, recovery }: Pick<Stage, "ledger" | "totals"> & { readonly recovery: boolean },
): void {
  const { id } = socket;
  if (!socket.recovered) ledger.open(id);
  else if (!ledger.resume(id)) totals.wrong.push(`${id}: resumed, though its session had ended`);
  else {
    totals.resumed++;
    const [has, had] = [[...socket.rooms].sort(), [...ledger.roomsOf(id).keys()].sort()];
    if (has.join() !== had.join()) totals.wrong.push(`${id}: resumed in ${has}, was in ${had}`);
  }
  socket.on("disconnect", (reason) => {
    totals.lost[reason] = (totals.lost[reason] ?? 0) + 1;
    if (recovery && RESUMABLE.has(reason)) ledger.lose(id);
    else ledger.end(id);
  });
}

function pick<T>(from: readonly T[], random: Random): T | undefined {
  return from[Math.floor(random() * from.length)];
}

function some(random: Random, max: number): string[] {
  return ROOMS.filter(() => random() < max / ROOMS.length);
}

/** One random step. Weights are how often it comes in about a hundred. */
const STEPS: readonly (readonly [number, (stage: Stage, socket: ServerSocket) => void])[] = [
  [12, join],
  [8, leave],
  [3, ({ io, ledger, random }) => kick(io, ledger, random)],
  [18, (stage) => cast(stage, { rooms: [pick(ROOMS, stage.random) ?? "a"], except: [] })],
  [10, (stage) => cast(stage, { rooms: some(stage.random, 3), except: [] })],
  [10, (stage) => cast(stage, { rooms: some(stage.random, 2), except: some(stage.random, 1) })],
  [16, (stage, socket) => castFrom(stage, socket, some(stage.random, 2))],
  [14, (stage, socket) => cast(stage, { rooms: [socket.id], except: [] }, socket)],
  [2, (stage, socket) => ask(stage, socket)],
  [2, slowDown],
  [1.5, (stage) => closeOpen(pick(stage.clients, stage.random))],
  [1.5, (stage) => webSocketOf(pick(stage.clients, stage.random))?.terminate()],
  [0.6, goAndCome],
  [0.6, (_stage, socket) => void socket.conn.close()],
];
const WEIGHT = STEPS.reduce((sum, [weight]) => sum + weight, 0);

function play(stage: Stage): void {
  const socket = pick([...stage.io.of("/").sockets.values()], stage.random);
  if (!socket) return;
  let at = stage.random() * WEIGHT;
  for (const [weight, step] of STEPS) {
    at -= weight;
    if (at >= 0) continue;
    step(stage, socket);
    return;
  }
}

function join({ ledger, random }: Stage, socket: ServerSocket): void {
  const room = pick(ROOMS, random) ?? "a";
  socket.join(room);
  change(ledger, { sid: socket.id, room, joined: true });
}

function leave({ ledger, random }: Stage, socket: ServerSocket): void {
  const room = pick(ROOMS, random) ?? "a";
  socket.leave(room);
  change(ledger, { sid: socket.id, room, joined: false });
}

function kick(io: Server, ledger: Ledger, random: Random): void {
  const [from, room] = [some(random, 1), pick(ROOMS, random) ?? "a"];
  if (from.length === 0) return;
  io.in(from).socketsLeave(room);
  ledger.move({ of: from, room, joined: false }, { n: 0, sender: "" });
}

function change(ledger: Ledger, made: Change): void {
  ledger.begin(made);
  ledger.done(made);
}

/** What may come after the number: text, which a client could take for an offset; bytes; nothing. */
function tailOf(random: Random): unknown[] {
  const drawn = random();
  if (drawn < 0.3) return ["text"];
  if (drawn < 0.4) return [Buffer.from("bytes")];
  if (drawn < 0.45) return ["x".repeat(20_000)];
  if (drawn < 0.6) return [{ nested: [Buffer.from("bytes")] }, "text"];
  return [];
}

/** Writes a packet down; returns its arguments. */
function number(stage: Stage, to: Recipients, optional = false): [number, ...unknown[]] {
  const n = ++stage.totals.packets;
  stage.totals.due += stage.ledger.send({ n, sender: "", optional }, to);
  return [n, ...tailOf(stage.random)];
}

/** Emits to rooms through the server, or to one socket through its own `emit`. */
function cast(stage: Stage, to: Recipients, socket?: ServerSocket): void {
  const volatile = stage.random() < 0.1;
  const args = number(stage, to, volatile);
  if (socket) (volatile ? socket.volatile : socket).emit("n", ...args);
  else {
    const target = stage.io.to([...to.rooms]).except([...to.except]);
    (volatile ? target.volatile : target).emit("n", ...args);
  }
}

function castFrom(stage: Stage, socket: ServerSocket, rooms: string[]): void {
  const except = some(stage.random, 0.5);
  const args = number(stage, { rooms, except: [...except, socket.id] });
  socket
    .to(rooms)
    .except(except)
    .emit("n", ...args);
}

/** With an ack, to one or to a room; recovery does not keep such packets. */
function ask(stage: Stage, socket: ServerSocket): void {
  const room = stage.random() < 0.5 ? socket.id : (pick(ROOMS, stage.random) ?? "a");
  const args = number(stage, { rooms: [room], except: [] }, true);
  // Who leaves before it answers is no fault.
  stage.io
    .to(room)
    .timeout(2000)
    .emitWithAck("n", ...args)
    .catch(() => {});
}

/** Ends a client's connection. The client waits 20 s for one that is closed before it is open. */
function closeOpen(client: Socket | undefined): void {
  if (client?.io.engine?.readyState === "open") client.io.engine.close();
}

/** A client's WebSocket, if that is its transport. */
function webSocketOf(client: Socket | undefined) {
  const { ws } = (client?.io.engine?.transport ?? {}) as {
    ws?: PausableWebSocket;
  };
  return ws;
}

/** A client stops reading while more comes for it than the kernel holds; most are closed for it. */
function slowDown(stage: Stage, socket: ServerSocket): void {
  const client = stage.clients.find(({ id }) => id === socket.id);
  const ws = webSocketOf(client);
  if (ws) stage.paused.add(ws);
  ws?.pause();
  const pad = "x".repeat(FLOOD.bytes);
  const count = Math.floor(stage.random() * FLOOD.packets);
  for (let at = 0; at < count; at++) {
    const [n] = number(stage, { rooms: [socket.id], except: [] });
    socket.emit("n", n, pad);
  }
}

/** Everyone reads on: who does not would not see its connection's end either. */
function readAgain({ paused }: Stage): void {
  for (const ws of paused) ws.resume();
  paused.clear();
}

/** A client says goodbye and is back as a new one. */
function goAndCome({ clients, random }: Stage): void {
  const client = pick(clients, random);
  client?.disconnect();
  client?.connect();
}

/** Waits until everyone is back and has all that was sent, and settles the accounts. */
async function settle(stage: Stage): Promise<void> {
  const { io, clients, ledger, totals } = stage;
  const sockets = io.of("/").sockets;
  const everyone = { rooms: [], except: [] };
  for (let tries = 0; tries < 5; tries++) {
    readAgain(stage);
    await until(
      () => sockets.size === clients.length && clients.every(({ id }) => sockets.has(id ?? "")),
      "everyone is connected",
      30_000,
    );
    const [n, ...more] = number(stage, everyone);
    io.emit("n", n, ...more);
    const all = () => clients.every(({ id }) => ledger.hasLast(id ?? "", n));
    // Who is lost while the mark is on its way may come back as a new session, without it.
    const arrived = await until(all, "the mark", 3000).then(
      () => true,
      () => false,
    );
    if (arrived) break;
  }
  totals.wrong.push(...ledger.settle().map(({ text }) => text));
}
