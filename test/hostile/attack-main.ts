/** `npm run attack -- --minutes N`: hostile rows at random beside well-behaved clients. */
import { parseArgs } from "node:util";
import { attack } from "./attack.ts";

const USAGE = `usage: npm run attack -- [--minutes 1] [--clients 200] [--at-once 8] [--seed N] [--p99-ms 1000]
Attacks a gateway in random ways while well-behaved clients use it, and checks that these are served.
  --minutes N  how long it runs (default 1)
  --clients N  well-behaved clients (default 200)
  --at-once N  attacks at the same time (default 8)
  --p99-ms N   latest 99th percentile of their acknowledgements, in milliseconds (default 1000)
  --seed N     repeats a run with the same random choices
Exit codes: 0 the clients were served, 1 they were not, 64 wrong options.`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    clients: { type: "string", default: "200" },
    "at-once": { type: "string", default: "8" },
    "p99-ms": { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const options = {
  seconds: Number(values.minutes) * 60,
  clients: Number(values.clients),
  atOnce: Number(values["at-once"]),
  seed: Number(values.seed),
  p99MsMax: Number(values["p99-ms"]),
};
if (!Object.values(options).every((value) => Number.isFinite(value) && value > 0)) {
  console.error(USAGE);
  process.exit(64);
}

const { rows, shed, quiet, clients, memory, broken } = await attack(options);
const ms = (value: number) => `${value.toFixed(1)} ms`;
const mb = (bytes: number) => `${(bytes / 1024 / 1024).toFixed(1)} MB`;
const [before, warm, end] = memory;
process.stdout.write(`\
${rows} hostile rows in ${options.seconds} s beside ${options.clients} clients (seed ${options.seed}), ${shed} of them shed
acks before   ${quiet.acks}, p50 ${ms(quiet.p50Ms)}, p99 ${ms(quiet.p99Ms)}, max ${ms(quiet.maxMs)}
acks during   ${clients.acks}, p50 ${ms(clients.p50Ms)}, p99 ${ms(clients.p99Ms)}, max ${ms(clients.maxMs)}
streams       ${clients.ticks} broadcasts, ${clients.holes} holes, ${clients.lost} connections lost
heap          ${mb(before.heapUsed)} before, ${mb(warm.heapUsed)} warm, ${mb(end.heapUsed)} after
resident      ${mb(before.rss)} before, ${mb(warm.rss)} warm, ${mb(end.rss)} after, peak ${mb(end.peak)}
descriptors   ${before.files} before, ${warm.files} warm, ${end.files} after
${broken.map((text) => `BROKEN        ${text}\n`).join("")}${broken.length === 0 ? "unharmed" : "harmed"}
`);
process.exitCode = broken.length === 0 ? 0 : 1;
