/**
 * `npm run soak -- [waves|delivery] --minutes N`: waves of clients, after which everything must be
 * as it was; or random play, in which nobody may miss a packet.
 */
import { parseArgs } from "node:util";
import { type DeliveryTotals, playDelivery } from "./delivery.ts";
import { soak } from "./waves.ts";

const USAGE = `usage: npm run soak -- [waves|delivery] [--minutes 5] [--clients N] [--seed N]
  waves     clients that come and go; memory and descriptors must return to their floor
  delivery  random rooms, transports, slow readers and returns; no hole, double or wrong order`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "5" },
    clients: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    help: { type: "boolean", short: "h", default: false },
  },
});
const [form = "waves"] = positionals;
const clients = Number(values.clients ?? (form === "waves" ? 1000 : 24));
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
if (!["waves", "delivery"].includes(form) || !(minutes > 0 && clients > 0 && seed >= 0)) {
  console.error(USAGE);
  process.exit(64);
}
const broken = form === "waves" ? await runWaves() : await runDelivery();
for (const text of broken) console.log(`BROKEN: ${text}`);
// Now: timers of clients that are gone would keep the process for half a minute.
process.exit(broken.length === 0 ? 0 : 1);

async function runWaves(): Promise<readonly string[]> {
  const mb = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(2)} MB`;
  const { heap, rss, broken } = await soak({
    seconds: minutes * 60,
    waves: 6,
    clients,
    seen(wave, { heapUsed, rss, files }) {
      console.log(`wave ${wave}: heap ${mb(heapUsed)}, resident ${mb(rss)}, ${files} descriptors`);
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
        if (Date.now() - told < 5000) return;
        told = Date.now();
        console.log(describe(totals));
      },
    });
    console.log(describe(totals));
    broken.push(...totals.wrong);
  }
  if (broken.length === 0) console.log("no hole, no double, no wrong order");
  return broken;
}

function describe({ rounds, packets, received, lost, resumed }: DeliveryTotals): string {
  const gone = Object.values(lost).reduce((sum, count) => sum + count, 0);
  return `${rounds} rounds: ${packets} packets, ${received} received, ${gone} connections lost, ${resumed} resumed`;
}
