import type { Random } from "../../bench/rig/stats.ts";
import type { Play } from "./cluster.ts";
import type { Player } from "./cluster-players.ts";
import type { Packet, Recipients } from "./ledger.ts";
import type { Step } from "./performer.ts";

/** The rooms of a play, beside everyone's own. */
export const ROOMS = ["a", "b", "c", "d", "e", "f"] as const;

/** What was sent, for who waits for it. */
export interface SentBatch {
  readonly n: number;
  isDone(): boolean;
  /** Whether the log does not have it. */
  isAway(): boolean;
}

let batches = 0;

/** Has a client's server do some random steps at once; undefined if it is not connected. */
export function sendBatch(play: Play, player: Player, what?: "everyone"): SentBatch | undefined {
  const { client, open, connections, url } = player;
  if (!client.connected) return undefined;
  const steps: Step[] = [];
  const count = what ? 1 : 1 + Math.floor(play.random() * 4);
  for (let at = 0; at < count; at++) steps.push(draw(play, player, what));
  const batch = ++batches;
  open.set(batch, { steps, connection: connections, url });
  let isAway = false;
  const seen = (done: number, offset?: unknown) => {
    if (done !== batch) return;
    client.off("done", seen);
    isAway = typeof offset === "string" && offset.endsWith(".away");
  };
  if (what) client.on("done", seen);
  client.emit("perform", batch, steps);
  const n = steps[0]?.n ?? 0;
  return { n, isDone: () => !open.has(batch), isAway: () => isAway };
}

/** Draws one step, and writes down whom it is for. */
function draw(play: Play, player: Player, what?: "everyone"): Step {
  const { random, totals } = play;
  const n = ++totals.packets;
  const packet: Packet = { n, sender: `${player.sid} ${player.connections}` };
  const base = { n, tail: tailOf(random) };
  const drawn = what ? 1 : random();
  if (drawn < 0.12) {
    // Without recovery it does not go through the log.
    send(play, player, { ...packet, loose: !play.recovery }, only([player.sid]));
    return { ...base, do: "own" };
  }
  if (drawn < 0.16) {
    const room = one(random);
    send(play, player, { ...packet, loose: true, optional: true }, only([room]));
    return { ...base, do: "ask", room };
  }
  if (drawn < 0.26) return drawMove(play, player, packet);
  const isFromSocket = !what && random() < 0.3;
  const isVolatile = !what && random() < 0.05;
  const rooms = drawn > 0.97 ? [] : drawRooms(play, random);
  const except = !what && random() < 0.2 ? [one(random)] : [];
  const out = isFromSocket ? [...except, player.sid] : except;
  send(play, player, { ...packet, optional: isVolatile }, { rooms, except: out });
  return { ...base, do: "emit", rooms, except, isFromSocket, isVolatile };
}

function drawMove(play: Play, player: Player, packet: Packet): Step {
  const { random, ledger, history, players } = play;
  const isOne = random() < 0.8;
  const of = isOne ? (players[Math.floor(random() * players.length)]?.sid ?? "") : one(random);
  const room = one(random, of);
  const joined = random() < 0.5;
  const text = `${player.name} has ${of} ${joined ? "join" : "leave"} ${room}`;
  ledger.move({ of: [of], room, joined }, packet);
  history.note({ text: `${text} before ${packet.n}`, of, room, before: packet.n });
  send(play, player, packet, only([of]));
  return { n: packet.n, tail: tailOf(random), do: "move", of, room, joined };
}

function send(play: Play, { name }: Player, packet: Packet, to: Recipients): void {
  const { ledger, totals, history } = play;
  totals.due += ledger.send(packet, to);
  const except = to.except.length > 0 ? ` but ${to.except}` : "";
  const text = `${name} sends ${packet.n} to ${to.rooms.join() || "everyone"}${except}`;
  history.sent(packet.n, [...to.rooms, ...to.except]);
  history.note({ text, packet: packet.n });
}

const only = (rooms: readonly string[]): Recipients => ({ rooms, except: [] });

function one(random: Random, but?: string): string {
  const rooms = ROOMS.filter((room) => room !== but);
  return rooms[Math.floor(random() * rooms.length)] ?? "a";
}

/** Mostly one room, sometimes a union; somebody's own room among them. */
function drawRooms({ players }: Play, random: Random): string[] {
  const rooms = new Set([one(random)]);
  while (random() < 0.35) rooms.add(one(random));
  if (random() < 0.2) rooms.add(players[Math.floor(random() * players.length)]?.sid ?? "a");
  return [...rooms];
}

/** What may come after the number: text, which a client could take for an offset; bytes; nothing. */
function tailOf(random: Random): unknown[] {
  const drawn = random();
  if (drawn < 0.3) return ["text"];
  if (drawn < 0.4) return [Buffer.from("bytes")];
  if (drawn < 0.43) return ["x".repeat(20_000)];
  if (drawn < 0.55) return [{ nested: [Buffer.from("bytes")] }, "text"];
  return [];
}
