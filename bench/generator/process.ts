import { createLagProbe } from "../rig/lag.ts";
import { serve } from "../rig/rpc.ts";
import { nowUs } from "../wire/marker.ts";
import { type BroadcastWatch, type WatchOptions, watchBroadcasts } from "./broadcast.ts";
import { type EchoOptions, runEcho } from "./echo.ts";
import { createFleet, type FleetOptions } from "./fleet.ts";
import { type LoadOptions, runLoad } from "./load.ts";
import { type ResumeOptions, resumeStalled, stallSome } from "./stall.ts";
import { runWitness, type WitnessOptions } from "./witness.ts";

/** The generator: one process, pinned apart from the server, that the orchestrator commands. */
const fleet = createFleet();
const lag = createLagProbe(1);
let watch: BroadcastWatch | undefined;

serve({
  connect: (options: FleetOptions) => fleet.connect(options),
  async watch(options: WatchOptions) {
    lag.start();
    watch = await watchBroadcasts(fleet, options);
  },
  async settle(options: { lastSequence: number; quietMs: number }) {
    if (watch === undefined) throw new Error("nothing is being watched");
    const watched = await watch.settle(options.lastSequence, options.quietMs);
    watch = undefined;
    return { ...watched, lag: lag.stop() };
  },
  async echo(options: EchoOptions) {
    lag.start();
    return { ...(await runEcho(fleet, options)), lag: lag.stop() };
  },
  async load(options: LoadOptions) {
    lag.start();
    return { ...(await runLoad(fleet, options)), lag: lag.stop() };
  },
  witness: (options: WitnessOptions) => runWitness(options),
  stall: (options: { count: number }) => stallSome(fleet, options.count),
  resume: (options: ResumeOptions) => resumeStalled(fleet, options),
  drop: () => fleet.drop(),
  usage() {
    const { user, system } = process.cpuUsage();
    return { cpuUserS: user / 1e6, cpuSysS: system / 1e6, atUs: nowUs() };
  },
});
