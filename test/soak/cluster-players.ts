/** Real clients of a play, and what each tells the ledger. */
import type { Socket } from "socket.io-client";
import { newClient, WAYS } from "../harness/gateway.ts";
import type { Stage } from "./cluster-stage.ts";
import type { History } from "./history.ts";
import type { Ledger } from "./ledger.ts";
import type { Step } from "./performer.ts";

/** One client. */
export interface Player {
  readonly name: string;
  readonly client: Socket;
  /** Whether it comes back with its session. */
  readonly recovers: boolean;
  /** Where it connects to. */
  url: string;
  /** Its worker or node; undefined until that has said so. */
  pid: number | undefined;
  sid: string;
  isHere: boolean;
  connections: number;
  /** What it has sent, by number, until it hears that it is done. */
  readonly open: Map<number, OpenBatch>;
}

/** Steps that may be done or not. */
export interface OpenBatch {
  readonly steps: readonly Step[];
  /** The connection through which it was sent, and its server. */
  readonly connection: number;
  readonly url: string;
}

/** What was played. */
export interface ClusterTotals {
  rounds: number;
  packets: number;
  /** Packets that were certainly due, over all recipients. */
  due: number;
  received: number;
  /** Of these, while the log was away. */
  away: number;
  disconnected: number;
  recovered: number;
  /** Clients that were told that they are not recovered, though they came with a session. */
  anew: number;
  readonly mishaps: Record<string, number>;
  readonly closes: Record<string, number>;
  /** What should not have been, with what explains it; empty is a pass. */
  readonly wrong: string[];
}

/** What players need. */
export interface PlayersNeeds {
  readonly stage: Stage;
  readonly ledger: Ledger;
  readonly history: History;
  readonly totals: ClusterTotals;
  readonly random: () => number;
  /** Whether the servers resume sessions. */
  readonly recovery: boolean;
  /** What is true of this round. */
  readonly round: {
    /** Redis is away for some time of it: what changes then is lost to who comes back elsewhere. */
    isAway: boolean;
  };
  /** Connections that ended, by where they were. */
  readonly ended: Map<string, number>;
}

/** The mark of a packet that the log does not have. */
const AWAY = ".away";

/** Adds clients to a play: every second one msgpack, a quarter without recovery. */
export function addPlayers(count: number, needs: PlayersNeeds): Player[] {
  const players: Player[] = [];
  for (let at = 0; at < count; at++) players.push(addPlayer(at, players, needs));
  return players;
}

function addPlayer(at: number, players: readonly Player[], needs: PlayersNeeds): Player {
  const { stage, random, recovery } = needs;
  const ways = Object.values(WAYS).filter((way) =>
    way.every((each) => stage.transports.includes(each)),
  );
  const client = newClient("http://127.0.0.1:1", {
    codec: at % 2 === 0 ? "msgpack" : "json",
    transports: [...(ways[(at >> 1) % ways.length] ?? WAYS.websocket)],
    reconnection: true,
    reconnectionDelay: 20,
    reconnectionDelayMax: 200,
    timeout: 5000,
  });
  const player: Player = {
    ...{ name: `c${at}`, client, recovers: recovery && at % 4 !== 3, url: "", sid: "" },
    ...{ isHere: false, pid: undefined, connections: 0, open: new Map() },
  };
  goSomewhere(player, stage, random);
  client.io.on("reconnect_attempt", () => goSomewhere(player, stage, random));
  // What the client decoded after its connection had closed, it would give to the next session.
  client.io.on("open", () => void client.receiveBuffer.splice(0));
  client.on("connect", () => {
    arrive(player, needs);
    if (!isOpen(client)) endLate(client);
  });
  client.on("disconnect", (reason) => leave(player, reason, needs));
  client.on("n", (n: number, ...more: unknown[]) => receive(player, { n, more }, needs));
  client.on("done", (batch: number, offset?: unknown) => {
    const found = player.open.get(batch);
    player.open.delete(batch);
    if (!found || !isAway(offset)) return;
    // Those of its node have it all the same.
    const isNear = (each: Player) => each.url === found.url && each.client.connected;
    const near = new Set(players.filter(isNear).map(({ sid }) => sid));
    for (const { n } of found.steps) needs.ledger.doubt(n, near);
  });
  client.connect();
  return player;
}

const isAway = (offset: unknown) => typeof offset === "string" && offset.endsWith(AWAY);

/** The client's inside; its types tell of neither. */
interface Inside {
  readonly io: { readonly _readyState: string };
  onclose(reason: string): void;
}

const isOpen = (client: Socket) => (client as unknown as Inside).io._readyState === "open";

/**
 * A close that waits for an upgrade may come before the CONNECT that was read with the last poll. So
 * the client would be connected without a connection, and send to the next one before it has joined,
 * which a server must refuse: seen as bad_packet (with bytes, as JSON) and stray_packet.
 */
function endLate(client: Socket): void {
  (client as unknown as Inside).onclose("it had ended before");
}

/** Chooses where a client connects to next. */
export function goSomewhere(player: Player, stage: Stage, random: () => number): void {
  const urls = stage.urls();
  player.url = urls[Math.floor(random() * urls.length)] ?? player.url;
  (player.client.io as unknown as { uri: string }).uri = player.url;
}

function arrive(player: Player, { ledger, history, totals, round }: PlayersNeeds): void {
  const { client, name, recovers } = player;
  const sid = client.id ?? "";
  player.connections++;
  player.isHere = true;
  player.pid = undefined;
  client.emit("pid", (pid: number) => {
    player.pid = pid;
  });
  const text = `${name} is ${client.recovered ? "recovered" : "new"} as ${sid} at ${player.url}`;
  history.note({ text, sid });
  if (client.recovered) {
    totals.recovered++;
    if (sid !== player.sid || !ledger.resume(sid, round.isAway)) {
      totals.wrong.push(`${name}: ${sid} is recovered, though its session had ended`);
    }
    return;
  }
  if (player.sid !== "" && recovers) {
    totals.anew++;
    ledger.end(player.sid);
  }
  player.sid = sid;
  ledger.open(sid, true);
}

function leave(player: Player, reason: string, needs: PlayersNeeds): void {
  const { ledger, history, totals, ended } = needs;
  const { sid, name, client, url } = player;
  // The client says so, too, when it has tried in vain to come back.
  if (!player.isHere) return;
  player.isHere = false;
  totals.disconnected++;
  ended.set(url, (ended.get(url) ?? 0) + 1);
  history.note({ text: `${name} is disconnected from ${url}: ${reason}`, sid });
  const isGoodbye = reason === "io client disconnect";
  if (player.recovers && !isGoodbye) {
    ledger.lose(sid);
    return;
  }
  ledger.end(sid);
  player.sid = "";
  // It has no session to come back with.
  Object.assign(client, { _pid: undefined, _lastOffset: undefined });
}

function receive(
  { name, client }: Player,
  { n, more }: { readonly n: number; readonly more: readonly unknown[] },
  { ledger, history, totals }: PlayersNeeds,
): void {
  totals.received++;
  const last = more.at(-1);
  if (typeof last === "function") last(n);
  if (isAway(last)) totals.away++;
  const sid = client.id ?? "";
  history.note({ text: `${name} got ${n} (${String(last).slice(0, 40)})`, packet: n, sid });
  ledger.receive(sid, n, isAway(last));
}
