import assert from "node:assert/strict";
import type { Namespace, Socket } from "socket.io";
import type { Packet } from "../../src/core/packet.ts";
import type { Connection } from "../../src/socket/connection.ts";
import { until } from "../harness/wait.ts";
import { openRaw, type RawClient } from "./company.ts";
import { type History, KINDS, ROOMS, type RoomRef, type Step } from "./histories.ts";
import { createModel, type Model } from "./model.ts";
import type { Rig } from "./rig.ts";

const CONNECT = 0;
const EVENT = 2;
const BYTES = Buffer.from([1, 2, 3]);
const BIG = "x".repeat(20_000);
const BIG_TIMES = 6;

/** Numbers the ends of histories. */
let marks = 0;

/** One of the connections that histories are played over. */
interface Player {
  readonly client: RawClient;
  readonly conn: Connection;
  /** Its socket in the main namespace, which no history touches. */
  readonly control: Socket;
  /** Event numbers received, by namespace. */
  readonly inbox: Map<string, unknown[]>;
  pressed: boolean;
  upgrading: Promise<void> | undefined;
  hungUp: boolean;
  /** Whether it was closed with something still unsent. */
  cut: boolean;
  ended: number;
}

/** Plays histories, one after another, each in a namespace of its own. */
export interface Stage {
  play(history: History): Promise<void>;
  /** Closes every connection. */
  end(): Promise<void>;
  /** What the histories have come to so far. */
  readonly totals: Readonly<
    Record<"histories" | "broadcasts" | "deliveries" | "published" | "unions", number>
  >;
}

/** Returns a stage whose connections live as long as no history ends them. */
export function createStage(rig: Rig): Stage {
  const players: (Player | undefined)[] = [];
  const totals = { histories: 0, broadcasts: 0, deliveries: 0, published: 0, unions: 0 };
  let last = 0;

  async function ready(): Promise<Player[]> {
    return Promise.all(
      KINDS.map(async (kind, i) => {
        const old = players[i];
        if (old && !old.client.isClosed() && old.conn.readyState === "open") return old;
        old?.client.hangUp();
        const made = await openPlayer(rig, kind);
        players[i] = made;
        return made;
      }),
    );
  }

  return {
    totals,
    async end() {
      for (const player of players) player?.conn.close(true);
      const isOver = (player?: Player) => !player || player.conn.readyState === "closed";
      await until(() => players.every(isOver), "the connections' end");
    },
    async play({ start, steps }) {
      const name = `/h${++last}`;
      const playing = await ready();
      const history = createHistory(rig, rig.io.of(name), playing);
      await Promise.all(
        start.map(({ enters, twice }, i) => enters && history.enter(i, { refused: false, twice })),
      );
      for (const step of steps) {
        if (step.do === "turn") await new Promise((resolve) => setImmediate(resolve));
        else history.take(step);
      }
      if (rig.attached.samples().fanout.unionTopics > 0) totals.unions++;
      await history.end();
      totals.histories++;
      totals.broadcasts += history.counts.broadcasts;
      totals.deliveries += history.counts.deliveries;
      totals.published = rig.published();
    },
  };
}

async function openPlayer(rig: Rig, kind: RawClient["kind"]): Promise<Player> {
  const client = await openRaw(rig.port, kind);
  const inbox = new Map<string, unknown[]>();
  const connected = new Promise<Socket>((resolve) => {
    // One connection at a time asks with this number, so it finds its own socket.
    const mine = String(Math.random());
    rig.io.on("connection", function seen(socket) {
      const own = kind.eio === 3 ? socket.conn.protocol === 3 : socket.handshake.auth.mine === mine;
      if (!own) return;
      rig.io.off("connection", seen);
      resolve(socket);
    });
    // Engine.IO 3 clients are in the main namespace without asking.
    if (kind.eio !== 3) client.send({ type: CONNECT, nsp: "/", data: { mine } });
  });
  const player = {
    client,
    inbox,
    pressed: false,
    upgrading: undefined,
    hungUp: false,
    cut: false,
    ended: 0,
  };
  const control =
    kind.eio === 3
      ? ([...rig.io.sockets.sockets.values()].findLast((s) => s.conn.protocol === 3) ??
        (await connected))
      : await connected;
  const made: Player = Object.assign(player, {
    control,
    conn: control.conn as unknown as Connection,
  });
  client.seen = (packet) => hear(made, packet);
  return made;
}

function hear(player: Player, packet: Packet): void {
  if (packet.type !== EVENT && packet.type !== 5) return;
  const [event, number, body] = packet.data as [string, number, unknown];
  if (event === "end") {
    player.ended = number;
    return;
  }
  if (body instanceof Uint8Array) assert.deepEqual(Buffer.from(body), BYTES);
  const inbox = player.inbox.get(packet.nsp) ?? [];
  player.inbox.set(packet.nsp, inbox);
  inbox.push(number);
}

/** One history: what it does to the gateway it does to the model, at the same moment. */
function createHistory(rig: Rig, nsp: Namespace, players: readonly Player[]) {
  const model: Model = createModel();
  const logs = players.map((): unknown[] => []);
  const heard = new Map<string, unknown[]>();
  const expectedHeard = new Map<string, unknown[]>();
  const sockets = players.map((): Socket[] => []);
  const entering = new Set<Promise<unknown>>();
  const counts = { broadcasts: 0, deliveries: 0 };
  let number = 0;

  nsp.use((socket, next) => {
    const { who, refused } = asking(socket);
    const rooms = [["a", "b"], ["a"], ["b", "c"]][who % 3] ?? [];
    socket.join(rooms);
    model.join(socket.id, rooms);
    setImmediate(() => {
      next(refused ? new Error("no") : undefined);
      // socket.io goes on in a tick of its own, which is over before the next broadcast of a turn.
      if (refused) process.nextTick(() => model.disconnect(socket.id));
    });
  });
  nsp.on("connection", (socket) => {
    const { who } = asking(socket);
    sockets[who]?.push(socket);
    const { conn } = socket;
    model.connect(socket.id, {
      isOpen: () => conn.readyState === "open",
      isWritable: () => conn.transport.writable,
      log: logs[who] ?? [],
    });
    socket.on("disconnecting", () => {
      cast(socket, { to: new Set(["a"]), except: new Set(), volatile: false, body: "short" });
      socket.leave("b");
      model.leave(socket.id, "b");
      cast(socket, { to: new Set(), except: new Set(["b"]), volatile: false, body: "short" });
    });
    socket.on("disconnect", () => {
      model.disconnect(socket.id);
      const own = sockets[who];
      own?.splice(own.indexOf(socket), 1);
    });
  });

  /** What the client said of itself; Engine.IO 3 clients say it in the namespace's query. */
  function asking(socket: Socket): { who: number; refused: boolean } {
    const auth = socket.handshake.auth as Record<string, unknown>;
    return { who: Number(auth.who), refused: String(auth.refused) === "true" };
  }

  function roomOf(ref: RoomRef): unknown {
    if ("room" in ref) return ROOMS[ref.room];
    return sockets[ref.own]?.[0]?.id ?? "nobody";
  }

  /** How many sockets' clients have hung up, which their connections do not know yet. */
  function leavingSockets(): number {
    const isLeaving = (who: number) =>
      players[who]?.hungUp && players[who]?.conn.readyState === "open";
    return sockets.reduce((sum, own, who) => sum + (isLeaving(who) ? own.length : 0), 0);
  }

  interface Cast {
    readonly to: ReadonlySet<unknown>;
    readonly except: ReadonlySet<unknown>;
    readonly volatile: boolean;
    readonly body: "short" | "binary" | "big";
  }

  function cast(from: Socket | undefined, { to, except, volatile, body }: Cast): void {
    const entry = ++number;
    const rooms = new Set(to as Set<string>);
    const excluded = new Set(except as Set<string>);
    if (from) excluded.add(from.id);
    const wanted = model.broadcast(entry, { rooms, except: excluded, flags: { volatile } });
    const before = rig.deliveries();
    const [start] = [from ? from.broadcast : nsp.to([])];
    let operator = start.to([...rooms]).except([...except] as string[]);
    if (volatile) operator = operator.volatile;
    if (body === "short") operator.emit("m", entry);
    else operator.emit("m", entry, body === "big" ? BIG : BYTES);
    const delivered = rig.deliveries() - before;
    const name = `deliveries of broadcast ${entry}`;
    // Sending to one connection may hand on what waits for another. If that one's client is gone, it
    // cannot be written to from then on, in the middle of the broadcast.
    const unsure = volatile ? leavingSockets() : 0;
    assert.ok(
      delivered <= wanted && delivered >= wanted - unsure,
      `${name}: ${delivered} of ${wanted}`,
    );
    counts.broadcasts++;
    counts.deliveries += delivered;
  }

  async function enter(who: number, how: { refused: boolean; twice: boolean }): Promise<void> {
    const player = players[who];
    if (!player || player.hungUp || player.conn.readyState !== "open") return;
    if ((sockets[who]?.length ?? 0) > 0 || pending.has(who)) return;
    pending.add(who);
    const wanted = how.twice && player.client.kind.eio !== 3 ? 2 : 1;
    const answered = new Promise<void>((resolve) => {
      let left = wanted;
      const { seen } = player.client;
      player.client.seen = (packet) => {
        const mine = packet.nsp === nsp.name && (packet.type === CONNECT || packet.type === 4);
        if (mine && --left === 0) resolve();
        seen(packet);
      };
    });
    const gone = until(
      () => player.client.isClosed() || player.conn.readyState !== "open",
      "",
      3e8,
    );
    void gone.catch(() => {});
    for (let i = 0; i < wanted; i++) ask(player, who, how.refused);
    await Promise.race([answered, gone]);
    pending.delete(who);
  }
  const pending = new Set<number>();

  function ask(player: Player, who: number, refused: boolean): void {
    const { client } = player;
    if (client.kind.eio === 3) {
      client.send({
        type: CONNECT,
        nsp: `${nsp.name}?who=${who}&refused=${refused}`,
        data: undefined,
      });
    } else client.send({ type: CONNECT, nsp: nsp.name, data: { who, refused } });
  }

  function take(step: Exclude<Step, { do: "turn" }>): void {
    if (step.do === "cast") {
      const from = step.from === undefined ? undefined : sockets[step.from]?.[0];
      const to = new Set(step.to.map(roomOf));
      const except = new Set(step.except.map(roomOf));
      // More of the big ones would go over what a connection may hold.
      const times = step.body === "big" ? Math.min(step.times, BIG_TIMES) : step.times;
      for (let i = 0; i < times; i++) cast(from, { ...step, to, except });
      return;
    }
    const player = players[step.who];
    const socket = sockets[step.who]?.[0];
    if (!player) return;
    if (step.do === "enter") {
      const entered = enter(step.who, step);
      entering.add(entered);
    } else if (step.do === "press" || step.do === "relieve") press(player, step.do);
    else if (step.do === "upgrade") upgrade(player);
    else if (step.do === "hangUp") {
      player.hungUp = true;
      player.client.hangUp();
    } else if (socket) act(step, socket);
  }

  function act(step: Exclude<Step, { do: "turn" | "cast" | "enter" }>, socket: Socket): void {
    if (step.do === "join") {
      const rooms = step.rooms.map(roomOf);
      socket.join(rooms as string[]);
      model.join(socket.id, rooms);
    } else if (step.do === "leave") {
      const room = roomOf(step.room);
      socket.leave(room as string);
      model.leave(socket.id, room);
    } else if (step.do === "direct") {
      const entry = ++number;
      // With recovery Socket.IO sends to the socket's own room, whoever else has joined that.
      const own = { rooms: new Set([socket.id]), except: new Set<string>() };
      if (rig.recovers) model.broadcast(entry, own);
      else model.direct(socket.id, entry);
      socket.emit("m", entry);
    } else if (step.do === "kick" || step.do === "close") socket.disconnect(step.do === "close");
    else if (step.do === "expire") expire(socket);
    else if (step.do === "listen" && !heard.has(socket.id)) {
      const log: unknown[] = [];
      const expected: unknown[] = [];
      heard.set(socket.id, log);
      expectedHeard.set(socket.id, expected);
      socket.onAnyOutgoing((_event, entry) => log.push(entry));
      model.listen(socket.id, expected);
    }
  }

  /** What a ping timeout does: what is unsent, or waits for a poll, is not waited for. */
  function expire(socket: Socket): void {
    const player = players.find(({ conn }) => (conn as unknown) === socket.conn);
    if (!player) return;
    player.cut = !player.conn.native;
    player.conn.closeAs("ping_timeout");
  }

  /** Pressure as the transport tells of it, without the megabytes it takes to make it real. */
  function press(player: Player, what: "press" | "relieve"): void {
    const { conn } = player;
    if (conn.transport.name !== "websocket" || conn.readyState === "closed") return;
    if (what === "press" && !player.pressed && conn.readyState === "open") {
      player.pressed = true;
      conn.press(1);
    } else if (what === "relieve" && player.pressed) {
      player.pressed = false;
      conn.transport.writable = true;
      conn.relieve();
    }
  }

  function upgrade(player: Player): void {
    if (player.client.kind.way !== "upgrade" || player.upgrading || player.hungUp) return;
    player.upgrading = player.client.upgrade().catch(() => {});
  }

  async function end(): Promise<void> {
    const mark = ++marks;
    for (const player of players) if (player.pressed) press(player, "relieve");
    await Promise.all(entering);
    // Whoever leaves is still told of, so the leaving comes before the marks.
    for (const player of players) {
      await player.upgrading;
      if (!player.hungUp) continue;
      // Between two polls only a heartbeat would tell.
      if (player.conn.transport.name === "polling") player.conn.close(true);
      await until(() => player.conn.readyState === "closed", "the server sees who hung up");
    }
    const staying = players.filter((player) => player.conn.readyState === "open");
    for (const player of staying) player.control.emit("end", mark);
    for (const player of players) {
      const { client } = player;
      if (player.hungUp) continue;
      await until(() => player.ended === mark || client.isClosed(), "a client's end");
      assert.equal(client.isClosed(), !staying.includes(player), "who is not closed stays");
    }
    compare();
    for (const own of sockets) for (const socket of [...own]) socket.disconnect();
  }

  function compare(): void {
    for (const [who, player] of players.entries()) {
      const got = player.inbox.get(nsp.name) ?? [];
      const wanted = logs[who] ?? [];
      // Who hung up or was cut has got a part of what was sent, without a hole.
      if (player.hungUp || player.cut)
        assert.deepEqual(got, wanted.slice(0, got.length), `client ${who}`);
      else assert.deepEqual(got, wanted, `client ${who}`);
    }
    for (const [id, log] of heard) assert.deepEqual(log, expectedHeard.get(id), "onAnyOutgoing");
  }

  return { enter, take, end, counts };
}
