import { createDelayStore, type DelayStoreLimits } from "../core/delay-store.ts";
import {
  type CarryOutDelayed,
  createDelaySamples,
  type DelayedCommand,
  type Delays,
  nameDelay,
} from "../core/delays.ts";
import { writeTaggedJson } from "../core/value.ts";

/** Keeps delayed commands in this process' memory. Those that wait when it stops are lost. */
export function createMemoryDelays(limits: DelayStoreLimits): Delays {
  const samples = createDelaySamples();
  const running = new Set<Promise<unknown>>();
  let carryOut: CarryOutDelayed = async () => false;
  const store = createDelayStore<DelayedCommand>(limits, samples, (delayed, lateMs) => {
    const over = carryOut(delayed, lateMs).then((done) => {
      samples.outcomes[done ? "done" : "refused"]++;
      running.delete(over);
    });
    running.add(over);
  });

  return {
    async keep(delayed, { afterMs, key }) {
      const { command } = delayed;
      const bytes = Buffer.byteLength(writeTaggedJson(command));
      const name = key === undefined ? undefined : nameDelay(command.namespace, key);
      return store.keep(delayed, { bytes, afterMs, name }) ? "kept" : "full";
    },
    cancel: async (namespace, key) => store.cancel(nameDelay(namespace, key)),
    begin(given) {
      carryOut = given;
    },
    samples,
    async stop() {
      samples.outcomes.lost += store.clear();
      await Promise.all(running);
    },
  };
}
