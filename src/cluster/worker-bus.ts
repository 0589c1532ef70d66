import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { type BusSamples, createSamples } from "./log/carrier.ts";
import type { Bus } from "./log/event-log.ts";
import { createBus } from "./log/feed.ts";
import { createWorkerCarrier, type WorkerCarrier } from "./log/worker.ts";
import type { PipeSockets } from "./worker-pipe.ts";

/** The bus of a worker. */
export interface WorkerBus extends Bus, Pick<WorkerCarrier, "send" | "ask" | "onDue"> {
  samples(): BusSamples;
}

/** What the bus of a worker needs. */
export interface WorkerBusNeeds {
  /** The worker's name, which no other worker of this primary has or had. */
  readonly node: string;
  readonly settings: Pick<
    Settings["cluster"],
    "timeoutMs" | "pendingMax" | "messageBytesMax" | "heldBytesMax"
  >;
  readonly log: Log;
}

/** Returns the bus of a worker, over its pipe to the primary. */
export function joinPrimaryLogs(sockets: PipeSockets, needs: WorkerBusNeeds): WorkerBus {
  const { node, settings, log } = needs;
  const samples = createSamples();
  samples.here = 1;
  const carrier = createWorkerCarrier(sockets, { node, settings, samples });
  const bus = createBus(carrier, {
    samples,
    threw(error) {
      samples.errors++;
      const why = error instanceof Error ? error.stack : String(error);
      log("error", { component: "cluster", why }, "what came from another worker failed here");
    },
    heldBytesMax: settings.heldBytesMax,
  });
  const { send, ask, onDue } = carrier;
  return { ...bus, samples: () => samples, send, ask, onDue };
}
