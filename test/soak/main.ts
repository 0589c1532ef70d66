/**
 * `npm run soak -- [waves|delivery] --minutes N`: waves of clients, after which everything must be
 * as it was; or random play, in which nobody may miss a packet; with `--nodes` or `--workers` over
 * several, to which something happens.
 */
import { parseArgs } from "node:util";
import type { Scope } from "../harness/process.ts";
import { playCluster } from "./cluster.ts";
import type { ClusterTotals } from "./cluster-players.ts";
import { stageNodes, stageWorkers } from "./cluster-stage.ts";
import { type DeliveryTotals, playDelivery } from "./delivery.ts";
import { soak } from "./waves.ts";

const USAGE = `usage: npm run soak -- [waves|delivery] [--nodes N | --workers N] [--minutes 5]
                       [--clients N] [--seed N]
  waves     connects and disconnects many clients; then memory and file descriptors must be as before
  delivery  random rooms, transports, slow readers and reconnects; no message may be missing, doubled
            or out of order
  --nodes N    delivery on N nodes with a Redis of their own: nodes are killed and frozen, Redis
               restarts, loses its data, pauses and closes connections; all clients see one order
  --workers N  delivery on N workers, which are killed and frozen
  --minutes N  how long it runs (default 5)
  --clients N  number of clients (default: waves 1000, delivery 24)
  --seed N     repeats a run with the same random choices
If a run fails, it prints its seed and the events that belong to the fault.
Exit codes: 0 all is well, 1 a fault was found, 64 wrong options.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "5" },
    clients: { type: "string" },
    nodes: { type: "string" },
    workers: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    help: { type: "boolean", short: "h", default: false },
  },
});
const count = Number(values.nodes ?? values.workers ?? 1);
const [form = (values.nodes ?? values.workers) ? "delivery" : "waves"] = positionals;
const clients = Number(values.clients ?? (form === "waves" ? 1000 : 24));
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const isSized = minutes > 0 && clients > 0 && seed >= 0 && count > 0;
const isOver = values.nodes !== undefined || values.workers !== undefined;
if (!["waves", "delivery"].includes(form) || !isSized || (isOver && form === "waves")) {
  console.error(USAGE);
  process.exit(64);
}
/** What ends the processes of this run, the last one first. */
const closers: (() => unknown)[] = [];
/** What was reached, in words. */
let reached = "nothing yet";
// Also when it crashes: each of them kills at once, before it waits.
process.on("exit", endAll);
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
  ["SIGHUP", 1],
] as const) {
  process.on(signal, () => {
    console.log(`ended by ${signal}, seed ${seed}; reached: ${reached}`);
    process.exit(128 + number);
  });
}
const broken = isOver
  ? await runCluster()
  : form === "waves"
    ? await runWaves()
    : await runDelivery();
for (const text of broken) console.log(`BROKEN: ${text}`);
// Now: timers of clients that are gone would keep the process for half a minute.
process.exit(broken.length === 0 ? 0 : 1);

function endAll(): void {
  for (const close of closers.splice(0)) {
    try {
      close();
    } catch (error) {
      console.error(error); // the others must end all the same
    }
  }
}

async function runWaves(): Promise<readonly string[]> {
  const mb = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(2)} MB`;
  const { heap, rss, broken } = await soak({
    seconds: minutes * 60,
    waves: 6,
    clients,
    seen(wave, { heapUsed, rss, files }) {
      reached = `wave ${wave}: heap ${mb(heapUsed)}, resident ${mb(rss)}, ${files} descriptors`;
      console.log(reached);
    },
  });
  const slope = ({ slope, slopeError }: typeof heap) =>
    `${(slope / 1024).toFixed(1)} ± ${(slopeError / 1024).toFixed(1)} KB a wave`;
  console.log(`heap ${slope(heap)}, resident ${slope(rss)} of ${clients} clients, after the third`);
  if (broken.length === 0) console.log("everything returned to the floor");
  return broken;
}

/** Half of the time with recovery, half without. */
async function runDelivery(): Promise<readonly string[]> {
  const broken: string[] = [];
  for (const recovery of [true, false]) {
    console.log(`${clients} clients, recovery ${recovery ? "on" : "off"}, seed ${seed}`);
    let told = 0;
    const totals = await playDelivery({
      seconds: minutes * 30,
      rounds: 1,
      clients,
      seed,
      recovery,
      seen(totals) {
        reached = describe(totals);
        if (Date.now() - told < 5000) return;
        told = Date.now();
        console.log(reached);
      },
    });
    console.log(describe(totals));
    broken.push(...totals.wrong);
  }
  if (broken.length === 0) console.log("no hole, no double, no wrong order");
  return broken;
}

/** Half of the time with recovery, half without. */
async function runCluster(): Promise<readonly string[]> {
  const setUp = values.nodes === undefined ? stageWorkers : stageNodes;
  const broken: string[] = [];
  for (const recovery of [true, false]) {
    const scope: Scope = {
      after: (close: () => unknown) => void closers.unshift(close),
      diagnostic: (text) => console.log(text),
    };
    console.log(`${clients} clients, recovery ${recovery ? "on" : "off"}, seed ${seed}`);
    const show = (totals: ClusterTotals) => {
      const { wrong: _, ...more } = totals;
      reached = JSON.stringify(more);
      console.log(reached);
    };
    try {
      const stage = await setUp(scope, { count, recovery });
      const options = { seconds: minutes * 30, rounds: 1, clients, seed, recovery };
      const totals = await playCluster(stage, { ...options, seen: show });
      show(totals);
      broken.push(...totals.wrong);
    } finally {
      for (let close = closers.shift(); close; close = closers.shift()) await close();
    }
  }
  if (broken.length === 0) console.log("no hole, no double, one order");
  return broken;
}

function describe({ rounds, packets, received, lost, resumed }: DeliveryTotals): string {
  const gone = Object.values(lost).reduce((sum, count) => sum + count, 0);
  return `${rounds} rounds: ${packets} packets, ${received} received, ${gone} connections lost, ${resumed} resumed`;
}
