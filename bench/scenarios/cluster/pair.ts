import type { Group } from "../../generator/fleet.ts";
import { openLanes } from "../../rig/rounds.ts";
import type { Context } from "../../rig/scenario.ts";
import {
  type Crowd,
  look,
  openCrowd,
  openSite,
  type Played,
  play,
  type Site,
} from "../../rig/site.ts";
import { costOf, type How, measureRow, PAYLOAD_BYTES, perEach, type Told } from "./row.ts";

/** Members of the room on the first node, and of the one that both nodes share. */
const MEMBERS = 10;
export const SHARED = 200;
/** Broadcasts a second: for the costs, for latency, and where the room is large. */
const RATE = 2_000;
const LATENCY_RATE = 1_000;
const SHARED_RATE = 100;
/** Heartbeats are a second apart. */
const IDLE_MS = 1_000;

/** Two nodes, and who is in rooms of theirs; a process without Redis is both of them. */
interface Lane {
  readonly site: Site;
  /** On the first node: in the room `r`, and each in a room of its own. */
  readonly few: Crowd;
  /** One member of the room `one` on the first node. */
  readonly one: Crowd;
  /** In the room `shared`, on both nodes. */
  readonly shared: Crowd;
}

interface Cast {
  readonly crowd: keyof Omit<Lane, "site">;
  /** The node that broadcasts. */
  readonly from: 0 | 1;
  readonly targets: readonly (readonly string[])[];
  readonly rate: number;
  readonly framesPerTurn?: number;
  readonly tellsLatency?: boolean;
}

/** What a second node costs, pays and delays, against one process and stock's two nodes. */
export async function measurePair(context: Context, how: How): Promise<void> {
  const rows = ["away", "publish", "latency", "shared", "union"].filter(how.wants);
  if (rows.length === 0) return;
  const subjects = ["ours", "stock", "no redis"];
  const lanes = await openLanes(context, { what: "cluster", subjects }, (subject) =>
    openLane(context, subject),
  );
  const laneOf = (subject: string) => lanes.get(subject) as Lane; // opened above
  const needs = { context, how, laneOf };
  if (how.wants("away")) await measureAway(needs);
  if (how.wants("publish")) for (const frames of [1, 20]) await measurePublish(needs, frames);
  if (how.wants("latency")) await measureLatency(needs);
  if (how.wants("shared")) await measureShared(needs);
  if (how.wants("union")) await measureUnion(needs);
  await context.closeAll();
}

interface Needs {
  readonly context: Context;
  readonly how: How;
  laneOf(subject: string): Lane;
}

async function openLane(context: Context, subject: string): Promise<Lane> {
  const nodes = subject === "no redis" ? 0 : 2;
  const site = await openSite(context, { kind: subject === "stock" ? "stock" : "ours", nodes });
  const members = (count: number, query: string): Group => ({ role: "member", count, query });
  const [first] = site.servers;
  const at = first ? [first] : [];
  const few = Array.from({ length: MEMBERS }, (_, n) => members(1, `rooms=r.u${n}`));
  const half = [members(SHARED / site.servers.length, "rooms=shared")];
  return {
    site,
    few: await openCrowd(context, at, few),
    one: await openCrowd(context, at, [members(1, "rooms=one")]),
    shared: await openCrowd(context, site.servers, half),
  };
}

function cast(lane: Lane, { crowd, from, rate, ...how }: Cast, durationMs: number) {
  const { controls } = lane.site;
  const control = controls[Math.min(from, controls.length - 1)];
  return play(lane.site, {
    ...{ ...how, crowd: lane[crowd], ratePerS: rate, durationMs, payloadBytes: PAYLOAD_BYTES },
    from: control ? [{ control, targets: how.targets }] : [],
  });
}

/** The second node has nobody in the room to which the first one broadcasts. */
async function measureAway({ context, how, laneOf }: Needs): Promise<void> {
  const subjects = ["ours", "stock"];
  await measureRow(context, how, {
    params: { row: "away", rate: RATE },
    subjects,
    async measure(subject, durationMs) {
      const lane = laneOf(subject);
      const away = lane.site.servers[1];
      const before = await countHeard(away?.port);
      const targets = [["r"]];
      const order = { crowd: "few", from: 0, targets, rate: RATE, framesPerTurn: 1 } as const;
      const played = await cast(lane, order, durationMs);
      const heard = (await countHeard(away?.port)) - before;
      const cpuS = played.cpuS[1] ?? 0;
      const values = {
        away_cpu_us_per_broadcast: perEach(cpuS, played.broadcasts),
        away_share: cpuS / played.seconds,
        away_messages_per_broadcast: heard / played.broadcasts,
      };
      return { played, values };
    },
  });
  await measureRow(context, how, {
    params: { row: "idle" },
    subjects: [...subjects, "no redis"],
    async measure(subject, durationMs) {
      const { site } = laneOf(subject);
      const before = await look(site);
      await new Promise((resolve) => setTimeout(resolve, how.isSmall ? durationMs : IDLE_MS));
      const after = await look(site);
      const cpuS = (after.cpuS.at(-1) ?? 0) - (before.cpuS.at(-1) ?? 0);
      return { values: { idle_share: cpuS / (after.atS - before.atS) } };
    },
  });
}

/** Messages of the bus that a node has received, as it tells; NaN where it does not. */
async function countHeard(port = 0): Promise<number> {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
    (answer) => answer.text(),
    () => "",
  );
  const found = /^sluice_cluster_messages_total{direction="in"} (\d+)/m.exec(text)?.[1];
  return found === undefined ? Number.NaN : Number(found);
}

/** One member, on the node that broadcasts. */
async function measurePublish({ context, how, laneOf }: Needs, frames: number): Promise<void> {
  const rate = frames === 1 ? RATE : 5 * RATE;
  await measureRow(context, how, {
    params: { row: "publish", frames, rate },
    subjects: ["ours", "stock", "no redis"],
    async measure(subject, durationMs) {
      const targets = [["one"]];
      const order = { crowd: "one", from: 0, targets, rate, framesPerTurn: frames } as const;
      const played = await cast(laneOf(subject), order, durationMs);
      const [cpuS = 0] = played.cpuS;
      const values = { publisher_cpu_us_per_broadcast: perEach(cpuS, played.broadcasts) };
      return { played, values: { ...values, ...redisOf(subject, played) } };
    },
  });
}

/** Members on the other node than the one that broadcasts, and on the same. */
async function measureLatency({ context, how, laneOf }: Needs): Promise<void> {
  await measureRow(context, how, {
    params: { row: "latency", rate: LATENCY_RATE },
    subjects: ["ours", "same node", "stock", "no redis"],
    async measure(subject, durationMs): Promise<Told> {
      const isSame = subject === "same node";
      const lane = laneOf(isSame ? "ours" : subject);
      const order = { crowd: "few", from: isSame ? 0 : 1, targets: [["r"]] } as const;
      const pace = { rate: LATENCY_RATE, tellsLatency: true };
      const played = await cast(lane, { ...order, ...pace }, durationMs);
      const { latency } = played.watched;
      return { played, latency, values: { p50_us: latency.p50, p99_us: latency.p99 } };
    },
  });
}

/** A room of which each node has half. */
async function measureShared({ context, how, laneOf }: Needs): Promise<void> {
  await measureRow(context, how, {
    params: { row: "shared", room: SHARED, rate: SHARED_RATE },
    subjects: ["ours", "stock", "no redis"],
    async measure(subject, durationMs) {
      const targets = [["shared"]];
      const order = { crowd: "shared", from: 0, targets, rate: SHARED_RATE } as const;
      const played = await cast(laneOf(subject), order, durationMs);
      const { cpu_us_per_delivery, deliveries_per_cpu_s } = costOf(played);
      const values = { cpu_us_per_delivery, deliveries_per_cpu_s, ...redisOf(subject, played) };
      return { played, values };
    },
  });
}

/** The same members of the other node, as one room and as a union of a room for each. */
async function measureUnion({ context, how, laneOf }: Needs): Promise<void> {
  const targets = {
    "one room": [["r"]],
    union: [Array.from({ length: MEMBERS }, (_, n) => `u${n}`)],
  };
  await measureRow(context, how, {
    params: { row: "union", rooms: MEMBERS, rate: RATE / 2 },
    subjects: ["union", "one room"],
    async measure(subject, durationMs) {
      const order = { crowd: "few", from: 1, rate: RATE / 2, framesPerTurn: 1 } as const;
      const which = targets[subject as keyof typeof targets]; // one of the subjects above
      const played = await cast(laneOf("ours"), { ...order, targets: which }, durationMs);
      const values = { far_cpu_us_per_broadcast: perEach(played.cpuS[0] ?? 0, played.broadcasts) };
      return { played, values: { ...values, ...redisOf("ours", played) } };
    },
  });
}

function redisOf(subject: string, played: Played): Readonly<Record<string, number>> {
  if (subject === "no redis") return {};
  const { redis_cpu_us_per_broadcast, redis_bytes_per_broadcast } = costOf(played);
  return { redis_cpu_us_per_broadcast, redis_bytes_per_broadcast };
}
