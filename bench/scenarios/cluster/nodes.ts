import { openLanes } from "../../rig/rounds.ts";
import type { Context } from "../../rig/scenario.ts";
import { type Crowd, openCrowd, openSite, type Played, play, type Site } from "../../rig/site.ts";
import { costOf, type How, measureRow, PAYLOAD_BYTES } from "./row.ts";

/** Every process has so many rooms for itself, of so many members. */
export const ROOMS = 4;
export const ROOM_SIZE = 50;
/** Broadcasts a second of each process, to its own rooms in turns. */
const RATE = 200;
/** Where one node broadcasts and the others are only there. */
const LONELY_RATE = 1_000;

interface Lane {
  readonly site: Site;
  /** In the rooms of every process. */
  readonly crowd: Crowd;
  /** One client, in a room of the first. */
  readonly lonely: Crowd;
  readonly count: number;
}

/** More nodes with rooms of their own: what they deliver, and what each costs Redis. */
export async function measureNodes(context: Context, how: How): Promise<void> {
  if (!how.wants("nodes") && !how.wants("redis")) return;
  const counts = how.isSmall ? [1, 2] : [1, 2, 4, 8];
  const nameOf = (count: number) => (count === 1 ? "1 node" : `${count} nodes`);
  const lanes = await openLanes(
    context,
    { what: "cluster", subjects: counts.map(nameOf) },
    async (subject): Promise<Lane> => {
      const nodes = Number.parseInt(subject, 10);
      const site = await openSite(context, { kind: "ours", nodes });
      const one = [{ role: "member" as const, count: 1, query: "rooms=lonely" }];
      const lonely = await openCrowd(context, site.servers.slice(0, 1), one);
      return { site, crowd: await seat(context, site), lonely, count: nodes };
    },
  );
  const laneOf = (subject: string) => lanes.get(subject) as Lane; // opened above
  if (how.wants("nodes"))
    await measureRow(context, how, {
      params: { row: "nodes", room: ROOM_SIZE, rate: RATE },
      subjects: counts.map(nameOf),
      async measure(subject, durationMs) {
        const { site, crowd, count } = laneOf(subject);
        const played = await playOwn(site, crowd, durationMs);
        return { played, values: { ...costOf(played), processes: count } };
      },
    });
  if (how.wants("redis"))
    await measureRow(context, how, {
      params: { row: "redis", room: 1, rate: LONELY_RATE },
      subjects: counts.slice(1).map(nameOf),
      async measure(subject, durationMs) {
        const { site, lonely, count } = laneOf(subject);
        const [control] = site.controls;
        const played = await play(site, {
          from: control ? [{ control, targets: [["lonely"]] }] : [],
          ...{ crowd: lonely, ratePerS: LONELY_RATE, framesPerTurn: 1, durationMs },
          payloadBytes: PAYLOAD_BYTES,
        });
        const { redis_cpu_us_per_broadcast, redis_bytes_per_broadcast } = costOf(played);
        const values = { redis_cpu_us_per_broadcast, redis_bytes_per_broadcast };
        return { played, values: { ...values, processes: count } };
      },
    });
  await context.closeAll();
}

/** Two workers on one port with rooms of their own, against one process. */
export async function measureWorkers(context: Context, how: How): Promise<void> {
  if (!how.wants("workers")) return;
  const subjects = ["one process", "2 workers"];
  const lanes = await openLanes(context, { what: "cluster", subjects }, async (subject) => {
    const workers = subject === "2 workers" ? 2 : 0;
    const site = await openSite(context, { kind: "ours", nodes: 0, workers });
    return { site, crowd: await seat(context, site) };
  });
  await measureRow(context, how, {
    params: { row: "workers", room: ROOM_SIZE, rate: RATE },
    subjects,
    async measure(subject, durationMs) {
      const { site, crowd } = lanes.get(subject) as { site: Site; crowd: Crowd }; // opened above
      const played = await playOwn(site, crowd, durationMs);
      const { cpu_us_per_delivery, deliveries_per_cpu_s } = costOf(played);
      const values = { cpu_us_per_delivery, deliveries_per_cpu_s };
      return { played, values: { ...values, processes: site.controls.length } };
    },
  });
  await context.closeAll();
}

/** Fills the rooms of each process. */
function seat(context: Context, site: Site): Promise<Crowd> {
  const perServer = (site.controls.length / site.servers.length) * ROOMS * ROOM_SIZE;
  const query = `seats=${ROOM_SIZE}x${ROOMS}`;
  return openCrowd(context, site.servers, [{ role: "member", count: perServer, query }]);
}

/** Every process broadcasts to its own rooms. */
function playOwn(site: Site, crowd: Crowd, durationMs: number): Promise<Played> {
  const from = site.controls.map((control) => ({
    control,
    targets: Array.from({ length: ROOMS }, (_, room) => [`${control.pid}x${room}`]),
  }));
  return play(site, {
    ...{ crowd, from, ratePerS: RATE, framesPerTurn: 1, durationMs, payloadBytes: PAYLOAD_BYTES },
  });
}
