/**
 * Random play over several nodes behind Redis, or several workers, in processes of their own: rooms,
 * unions, exceptions, joins and leaves that race them, clients that are lost and come back, and one
 * mishap a round. A hole, a double, a packet for somebody else, two clients that got two packets in
 * different orders and a connection that ended for no recorded reason are faults.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createRandom, type Random, shuffle } from "../../bench/rig/stats.ts";
import { kept } from "../cluster/kit.ts";
import { until } from "../harness/wait.ts";
import {
  addPlayers,
  type ClusterTotals,
  goSomewhere,
  type Player,
  type PlayersNeeds,
} from "./cluster-players.ts";
import type { Cast, Mishap, Stage } from "./cluster-stage.ts";
import { ROOMS, sendBatch } from "./cluster-steps.ts";
import { createHistory, type History } from "./history.ts";
import { type Change, createLedger, type Ledger } from "./ledger.ts";

/** How long and how hard. */
export interface ClusterOptions {
  readonly seconds: number;
  /** Least rounds, however long they take; each ends with every account settled. */
  readonly rounds: number;
  readonly clients: number;
  readonly seed: number;
  readonly recovery: boolean;
  /** Told after each round. */
  readonly seen?: (totals: ClusterTotals) => void;
  /** What keeps the accounts: a test keeps a record of what it is told. */
  readonly ledger?: Ledger;
}

/** A play that runs. */
export interface Play extends PlayersNeeds {
  readonly players: readonly Player[];
  readonly random: Random;
}

const TURNS_A_ROUND = 60;
/** Reasons that need no mishap: clients leave in several ways. */
const ALWAYS = ["client_closed", "connection_lost", "transport_error", "server_closed"];

/** Plays on a stage until the time is over; resolves with what was found. */
export async function playCluster(stage: Stage, options: ClusterOptions): Promise<ClusterTotals> {
  const { seed, recovery, ledger = createLedger() } = options;
  const totals: ClusterTotals = {
    ...{ rounds: 0, packets: 0, due: 0, received: 0, away: 0, disconnected: 0 },
    ...{ recovered: 0, anew: 0, mishaps: {}, closes: {}, wrong: [] },
  };
  const random = createRandom(seed);
  const history = createHistory();
  const needs = { stage, ledger, history, totals, random, recovery, round: { isAway: false } };
  const before = await stage.closes();
  const all = { ...needs, ended: new Map() };
  const players = addPlayers(options.clients, all);
  const play: Play = { ...all, players };
  const causes = new Set(ALWAYS);
  const end = Date.now() + options.seconds * 1000;
  let plan: Mishap[] = [];
  try {
    await settle(play);
    while (totals.wrong.length === 0 && (totals.rounds < options.rounds || Date.now() < end)) {
      if (plan.length === 0) plan = shuffle(stage.mishaps, random);
      const mishap = plan.shift();
      for (const reason of mishap?.closes ?? []) causes.add(reason);
      play.round.isAway = mishap?.isOfRedis ?? false;
      await Promise.all([act(play), mishap && befall(play, mishap)]);
      await settle(play);
      await checkCloses(play, before, causes);
      totals.rounds++;
      options.seen?.(totals);
      history.trim();
    }
  } catch (error) {
    totals.wrong.push(`${(error as Error).message}\n${explainAll(history)}`);
  } finally {
    for (const { client } of players) client.disconnect();
  }
  return totals;
}

function explainAll(history: History): string {
  return history.explain({ text: "", sids: [], packets: [] }).join("\n");
}

async function befall({ history, totals, random, players }: Play, mishap: Mishap): Promise<void> {
  const { name } = mishap;
  const cast: Cast = {
    pids: () => [...new Set(players.flatMap(({ pid }) => pid ?? []))],
    kept: (redis) => {
      const living = players.filter(({ client, recovers }) => client.connected && recovers);
      return kept(
        redis,
        living.map(({ client }) => client),
      );
    },
  };
  await sleep(random() * 100);
  totals.mishaps[name] = (totals.mishaps[name] ?? 0) + 1;
  history.note({ text: `MISHAP: ${name}` });
  await mishap.befall(random, cast);
  history.note({ text: `passed: ${name}` });
}

/** One round of random steps. */
async function act(play: Play): Promise<void> {
  const { random, players, history } = play;
  for (let turn = 0; turn < TURNS_A_ROUND; turn++) {
    for (let count = 1 + Math.floor(random() * 4); count > 0; count--) {
      const player = pick(players, random);
      if (random() < 0.5) sendBatch(play, player);
      else move(play, player);
    }
    if (random() < 0.12) {
      const player = pick(players, random);
      history.note({ text: `${player.name} is cut off`, sid: player.sid });
      cutOff(play, player);
    }
    await sleep(random() * 12);
  }
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[Math.floor(random() * from.length)] as T; // no list here is empty
}

/** A client joins or leaves a room. An answer may overtake what it was about; the next does not. */
function move({ ledger, history, random }: Play, player: Player): void {
  const { client, sid, name } = player;
  const room = pick(ROOMS, random);
  if (!client.connected || ledger.isChanging(sid, room)) return;
  const change: Change = { sid, room, joined: random() < 0.6 };
  const word = change.joined ? "join" : "leave";
  history.note({ text: `${name} asks to ${word} ${room}`, sid, room });
  ledger.begin(change);
  client.emit(word, room, () => {
    client.emit("tell", () => {
      history.note({ text: `${name} is told: ${word} ${room}`, sid, room });
      ledger.done(change);
    });
  });
}

/** A client's connection ends, in one of the ways in which that can be. */
function cutOff({ stage, random }: Play, player: Player): void {
  const { client } = player;
  const { engine } = client.io;
  if (engine?.readyState !== "open") return;
  const { ws } = engine.transport as { ws?: { terminate(): void } };
  const way = random();
  if (way < 0.4 && ws) ws.terminate();
  else if (way < 0.85) engine.close();
  else {
    client.disconnect();
    goSomewhere(player, stage, random);
    client.connect();
  }
}

/** Waits until everyone is back and has all that was sent, and settles the accounts. */
async function settle(play: Play): Promise<void> {
  const { stage, players, ledger, totals, history } = play;
  const isHere = () => players.every(({ client, isHere }) => isHere && client.connected);
  await stage.whole();
  for (let tries = 0; ; tries++) {
    if (tries === 20) throw new Error("the play does not come to rest");
    await until(isHere, "that everyone is back", 40_000);
    const isDone = ({ open, connections }: Player) =>
      [...open.values()].every(({ connection }) => connection !== connections);
    await until(() => players.every(isDone), "that all is done").catch(() => {});
    const sent = sendBatch(play, pick(players, play.random), "everyone");
    if (!sent) continue;
    const all = () => players.every(({ sid }) => ledger.hasGot(sid, sent.n)) && sent.isDone();
    // Who is lost while the mark is on its way may come back as a new session, without it.
    const arrived = await until(all, "the mark", 4000).then(
      () => true,
      () => false,
    );
    if (!arrived || sent.isAway() || !(await checkRooms(play)) || !isHere()) continue;
    break;
  }
  for (const { open } of players) {
    for (const { steps } of open.values()) for (const { n } of steps) ledger.doubt(n);
    open.clear();
  }
  for (const fault of ledger.settle()) {
    totals.wrong.push([fault.text, ...history.explain(fault)].join("\n  "));
  }
}

/** Whether everyone could be asked which rooms they are in, and what they say is what must be. */
async function checkRooms({ players, ledger, totals, history }: Play): Promise<boolean> {
  for (const { client, sid, name } of players) {
    const told = await client
      .timeout(3000)
      .emitWithAck("tell")
      .catch(() => undefined);
    if (!told || client.id !== sid) return false;
    const must = ledger.roomsOf(sid);
    const has = new Set<string>(told.rooms);
    const missing = [...must].filter(([room, isSure]) => isSure && !has.has(room));
    const extra = [...has].filter((room) => !must.has(room));
    for (const room of [...missing.map(([each]) => each), ...extra]) {
      const text = `${name} (${sid}) is ${has.has(room) ? "" : "not "}in ${room}`;
      totals.wrong.push([text, ...history.explainRoom(sid, room)].join("\n  "));
    }
  }
  return true;
}

/** Every connection that ended is counted, for a reason that there was. */
async function checkCloses(
  { stage, totals, ended }: Play,
  before: ReadonlyMap<string, ReadonlyMap<string, number>>,
  causes: ReadonlySet<string>,
): Promise<void> {
  const read = async () => {
    const all = await stage.closes();
    for (const [url, reasons] of all) {
      for (const [reason, count] of reasons) {
        const fresh = count - (before.get(url)?.get(reason) ?? 0);
        if (fresh > 0) reasons.set(reason, fresh);
        else reasons.delete(reason);
      }
    }
    return all;
  };
  let all = await read();
  const sum = (reasons: ReadonlyMap<string, number>) =>
    [...reasons.values()].reduce((total, count) => total + count, 0);
  const isCounted = () =>
    !stage.countsAll || [...all].every(([url, found]) => sum(found) >= (ended.get(url) ?? 0));
  const counted = async () => {
    all = await read();
    return isCounted();
  };
  await until(counted, "that every end is counted", 5000).catch((error) => {
    totals.wrong.push(`${error.message}: ${JSON.stringify([...ended])}`);
  });
  for (const reasons of all.values()) {
    for (const [reason, count] of reasons) {
      totals.closes[reason] = count;
      if (!causes.has(reason)) totals.wrong.push(`${count} connections closed: ${reason}`);
    }
  }
}
