/**
 * Question: how many broadcasts a second do so many nodes carry, and what is the limit?
 * Load:     none: arithmetic on the costs that the newest result of `cluster` has measured. Rooms of
 *           2 to 10,000 members, who are on the nodes at random, on 1 to 200 nodes of 50,000 sockets.
 * Control:  cases worked by hand (test/bench/scale.test.ts).
 * Not for:  what only many machines show: links that are shared, and crowds in one room at once.
 */
import type { Result } from "../rig/results.ts";
import { median } from "../rig/stats.ts";
import { formatNumber } from "../rig/table.ts";

/** What things cost: CPU in microseconds, sizes in bytes. */
export interface Costs {
  /** Of the node that broadcasts: for each call of Redis, and for each broadcast. */
  readonly publishCallUs: number;
  readonly publishUs: number;
  /** Of each delivery to a client. */
  readonly deliverUs: number;
  /** Of a node with members that hears a broadcast, and of each further copy of it. */
  readonly hearUs: number;
  readonly copyUs: number;
  /** Of Redis: for each call, each broadcast in it, and each push of one to a node. */
  readonly redisCallUs: number;
  readonly redisAppendUs: number;
  readonly redisPushUs: number;
  /** Of a push on the wire, and of each further room that a union names in it. */
  readonly pushBytes: number;
  readonly nameBytes: number;
  /** Of a subscription in Redis' memory. */
  readonly channelBytes: number;
}

/** Where a result has no figure: the order of magnitude on one core of a Xeon. */
export const DEFAULT_COSTS: Costs = {
  ...{ publishCallUs: 25, publishUs: 12, deliverUs: 3, hearUs: 15, copyUs: 5 },
  ...{ redisCallUs: 20, redisAppendUs: 5, redisPushUs: 2, pushBytes: 300, nameBytes: 12 },
  channelBytes: 250,
};

const WORDS: Readonly<Record<keyof Costs, string>> = {
  publishCallUs: "CPU of a node for a call to Redis, µs",
  publishUs: "CPU of that node for each broadcast in the call, without deliveries, µs",
  deliverUs: "CPU of a node for each delivery to a client, µs",
  hearUs: "CPU of a node with members for a broadcast of another, without deliveries, µs",
  copyUs: "CPU of that node for each further copy of a union, µs",
  redisCallUs: "CPU of Redis for a call, µs",
  redisAppendUs: "CPU of Redis for each broadcast in the call, µs",
  redisPushUs: "CPU of Redis for each push to a node, µs",
  pushBytes: "bytes of a push on the network",
  nameBytes: "bytes for each further room in a push",
  channelBytes: "bytes of Redis' memory for each subscription",
};

/** Returns the costs in words, as rows of text; those that were not measured are marked. */
export function costRows(costs: Costs, assumed: readonly string[]): string[][] {
  return (Object.keys(WORDS) as (keyof Costs)[]).map((name) => {
    const mark = assumed.includes(name) ? " (assumed)" : "";
    return [WORDS[name], `${formatNumber(costs[name])}${mark}`];
  });
}

/** What is taken of the machines. */
export const MACHINE = {
  /** Microseconds of CPU a second that a node, and Redis' one thread, may use: 70 % of a core. */
  cpuUsPerS: 700_000,
  /** 70 % of ten gigabits a second, of a node and of Redis. */
  bytesPerS: 0.7 * 1.25e9,
  /** A busy node's event loop has so many turns a second, and one call of Redis in each. */
  turnsPerS: 1_000,
  /** A message of 128 bytes with the headers of Socket.IO, WebSocket, TCP and IP. */
  frameBytes: 250,
  socketsPerNode: 50_000,
} as const;

/** What is broadcast, and where. */
export interface Case {
  readonly nodes: number;
  /** Members of a room. */
  readonly size: number;
  /** Rooms of a union; 1 is a room. */
  readonly rooms: number;
}

/** What may be the limit, in words. */
export const LIMITS = [
  "CPU of the nodes",
  "Redis: calls and appends",
  "Redis: pushes",
  "network of Redis",
  "network of the nodes",
] as const;

/** What a case comes to. */
export interface Answer extends Case {
  readonly broadcastsPerS: number;
  readonly deliveriesPerS: number;
  readonly limit: (typeof LIMITS)[number];
  /** Nodes that hear a broadcast, and pushes that it takes. */
  readonly hearing: number;
  readonly pushes: number;
}

/** Nodes on which a room of so many members has one, if each is on a node at random. */
export function nodesOfRoom(size: number, nodes: number): number {
  return nodes * (1 - (1 - 1 / nodes) ** size);
}

/** Returns what so many nodes carry, all of them broadcasting to rooms of one size. */
export function simulate(costs: Costs, { nodes, size, rooms }: Case): Answer {
  const members = size * rooms;
  const hearing = nodesOfRoom(members, nodes);
  // A node is told once for each of its rooms; nodes of several rooms of a union hear copies.
  const pushes = rooms * nodesOfRoom(size, nodes);
  const calls = MACHINE.turnsPerS * nodes;
  const perBroadcastUs =
    costs.publishUs +
    (hearing - 1) * costs.hearUs +
    (pushes - hearing) * costs.copyUs +
    members * costs.deliverUs;
  const pushUs = pushes * costs.redisPushUs;
  const pushBytes = costs.pushBytes + (rooms - 1) * costs.nameBytes;
  const ofNodes = carry(nodes * MACHINE.cpuUsPerS, perBroadcastUs, costs.publishCallUs, calls);
  const redisUs = costs.redisAppendUs + pushUs;
  const ofRedis = carry(MACHINE.cpuUsPerS, redisUs, costs.redisCallUs, calls);
  const isPushing = pushUs * 2 > MACHINE.cpuUsPerS / ofRedis;
  const limits: [Answer["limit"], number][] = [
    ["CPU of the nodes", ofNodes],
    [isPushing ? "Redis: pushes" : "Redis: calls and appends", ofRedis],
    ["network of Redis", MACHINE.bytesPerS / (pushes * pushBytes)],
    ["network of the nodes", (nodes * MACHINE.bytesPerS) / (members * MACHINE.frameBytes)],
  ];
  const [limit, broadcastsPerS] = limits.reduce((a, b) => (b[1] < a[1] ? b : a));
  const deliveriesPerS = broadcastsPerS * members;
  return { nodes, size, rooms, broadcastsPerS, deliveriesPerS, limit, hearing, pushes };
}

/**
 * Returns how many broadcasts a second a budget carries. Each has a call of its own until every turn
 * has one, `callsMax` a second; from there on more of them share a call.
 */
function carry(budgetUs: number, eachUs: number, callUs: number, callsMax: number): number {
  const alone = budgetUs / (eachUs + callUs);
  return alone <= callsMax ? alone : (budgetUs - callsMax * callUs) / eachUs;
}

/** Memory of Redis for the rooms of so many nodes' sockets: their own, and one of a size each. */
export function subscriptionBytes(costs: Costs, { nodes, size }: Omit<Case, "rooms">): number {
  const sockets = nodes * MACHINE.socketsPerNode;
  const rooms = sockets / size;
  return (sockets + rooms * nodesOfRoom(size, nodes)) * costs.channelBytes;
}

/** Reads the costs of a result of `cluster`; names those that it has not measured. */
export function readCosts(result: Result | undefined): { costs: Costs; assumed: string[] } {
  const told = (row: string, subject: string, metric: string, frames?: number): number => {
    const rounds = (result?.rounds ?? []).filter(
      ({ params, valid, ...round }) =>
        params.row === row && round.subject === subject && (!frames || params.frames === frames),
    );
    const valid = rounds.filter((round) => round.valid);
    const used = valid.length > 0 ? valid : rounds;
    return median(used.flatMap(({ values }) => values[metric] ?? []));
  };
  const ofPublisher = (frames: number) =>
    told("publish", "ours", "publisher_cpu_us_per_broadcast", frames);
  const ofRedis = (frames: number) => told("publish", "ours", "redis_cpu_us_per_broadcast", frames);
  // One round has a call for each broadcast, the other one for twenty.
  const callOf = (one: number, twenty: number) => ((one - twenty) * 20) / 19;
  const ROOM = 50;
  const perRoom = told("nodes", "1 node", "cpu_us_per_delivery") * ROOM;
  const deliverUs = (perRoom - ofPublisher(1)) / (ROOM - 1);
  const publishCallUs = callOf(ofPublisher(1), ofPublisher(20));
  const redisCallUs = callOf(ofRedis(1), ofRedis(20));
  const TEN = 10;
  const extra = (metric: string) =>
    (told("union", "union", metric) - told("union", "one room", metric)) / (TEN - 1);
  const redisPushUs = extra("redis_cpu_us_per_broadcast");
  const pushBytes = told("publish", "ours", "redis_bytes_per_broadcast", 20);
  const measured: Costs = {
    ...{ publishCallUs, redisCallUs, deliverUs, redisPushUs, pushBytes },
    publishUs: ofPublisher(20) - publishCallUs / 20 - deliverUs,
    hearUs: told("union", "one room", "far_cpu_us_per_broadcast") - TEN * deliverUs,
    copyUs: extra("far_cpu_us_per_broadcast"),
    redisAppendUs: ofRedis(20) - redisCallUs / 20 - redisPushUs,
    nameBytes: (extra("redis_bytes_per_broadcast") - pushBytes) / (TEN - 1),
    channelBytes: told("own-rooms", "ours", "redis_bytes_per_channel"),
  };
  const names = Object.keys(DEFAULT_COSTS) as (keyof Costs)[];
  const assumed = names.filter((name) => !(measured[name] > 0));
  const given = assumed.map((name) => [name, DEFAULT_COSTS[name]]);
  return { costs: { ...measured, ...Object.fromEntries(given) }, assumed };
}

const NODES = [1, 2, 4, 8, 16, 32, 64, 100, 200];
const SIZES = [2, 10, 50, 200, 1_000, 10_000];
const UNIONS = [1, 10];

/** Returns every case of the picture. */
export function simulateAll(costs: Costs): Answer[] {
  return UNIONS.flatMap((rooms) =>
    SIZES.flatMap((size) => NODES.map((nodes) => simulate(costs, { nodes, size, rooms }))),
  );
}

/** So many nodes have a column in the table. */
const SHOWN = [2, 8, 32, 200];
const SHORT: Readonly<Record<Answer["limit"], string>> = {
  "CPU of the nodes": "nodes",
  "Redis: calls and appends": "appends",
  "Redis: pushes": "pushes",
  "network of Redis": "Redis' network",
  "network of the nodes": "nodes' network",
};

/** Returns broadcasts a second by rooms and nodes, each with its limit in a word, as rows of text. */
export function tableOf(costs: Costs): string[][] {
  const rows = UNIONS.flatMap((rooms) =>
    SIZES.map((size) => {
      const answers = SHOWN.map((nodes) => simulate(costs, { nodes, size, rooms }));
      const cells = answers.map(
        (one) => `${formatNumber(Number(one.broadcastsPerS.toPrecision(2)))} (${SHORT[one.limit]})`,
      );
      const memory = subscriptionBytes(costs, { nodes: SHOWN.at(-1) ?? 1, size }) / 2 ** 30;
      const name = rooms === 1 ? "a room" : `${rooms} rooms`;
      return [`${name} of ${formatNumber(size)}`, ...cells, `${memory.toFixed(1)} GiB`];
    }),
  );
  const last = SHOWN.at(-1);
  const heads = SHOWN.map((nodes) => `${nodes} nodes`);
  return [["broadcasts a second to", ...heads, `Redis' memory, ${last} nodes`], ...rows];
}
