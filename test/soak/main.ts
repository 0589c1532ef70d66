/** `npm run soak -- --minutes N`: waves of clients, after which everything must be as it was. */
import { parseArgs } from "node:util";
import { soak } from "./soak.ts";

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    clients: { type: "string", default: "1000" },
  },
});
const minutes = Number(values.minutes);
const clients = Number(values.clients);
if (!(minutes > 0 && clients > 0)) {
  console.error("usage: npm run soak -- --minutes N [--clients 1000]");
  process.exit(64);
}

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
for (const text of broken) console.log(`BROKEN: ${text}`);
console.log(broken.length === 0 ? "everything returned to the floor" : "not everything returned");
process.exitCode = broken.length === 0 ? 0 : 1;
