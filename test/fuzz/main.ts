/** `npm run fuzz -- --minutes N [--seed S]`: fuzzes the codec until the time is over. */
import { parseArgs } from "node:util";
import { createOurSubject, fuzz } from "./fuzz.ts";

const ROUND = 20_000;

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, seed: { type: "string" } },
});
const minutes = Number(values.minutes);
const first = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
if (!(minutes > 0) || !Number.isSafeInteger(first)) {
  console.error("usage: npm run fuzz -- --minutes N [--seed S]");
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
