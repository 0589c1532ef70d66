/** `npm run fuzz -- --minutes N [--seed S]`: fuzzes the codec until the time is over. */
import { parseArgs } from "node:util";
import { createOurSubject, fuzz } from "./fuzz.ts";

const ROUND = 20_000;

const USAGE = `usage: npm run fuzz -- [--minutes 1] [--seed S]
Sends random packets through the codec. Stops at the first fault and prints its seed and input.
  --minutes N  how long it runs (default 1)
  --seed S     starts with this seed (default: from the clock)
Exit codes: 0 no fault, 1 a fault was found, 64 wrong options.`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "1" },
    seed: { type: "string" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  process.exit(0);
}
const minutes = Number(values.minutes);
const first = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(first)) {
  console.error(USAGE);
  process.exit(64);
}

const end = performance.now() + minutes * 60_000;
const subject = createOurSubject();
let inputs = 0;
let packets = 0;
for (let seed = first; performance.now() < end; seed++) {
  const report = fuzz(seed, ROUND, subject);
  inputs += ROUND;
  packets += report.packets;
  console.log(`seed ${seed}: ${inputs} inputs, ${packets} accepted`);
  for (const { fault, input } of report.findings) {
    process.exitCode = 1;
    console.error(`seed ${seed}: ${fault}`);
    for (const frame of input) console.error(`  ${frame}`);
  }
  if (report.findings.length > 0) break;
}
