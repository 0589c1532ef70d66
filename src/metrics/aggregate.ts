import { AggregatorRegistry, Registry } from "prom-client";

/** Returns the exposition text of all workers of this primary, added up by the table's own rules. */
export function createAggregate(): (accept: string) => Promise<{ type: string; body: string }> {
  const registry = new AggregatorRegistry();
  return async () => {
    const body = await registry.clusterMetrics();
    return { type: Registry.PROMETHEUS_CONTENT_TYPE, body };
  };
}

/** Lets a worker answer its primary, which asks for its metrics. */
export function answerPrimary(): void {
  // The constructor is what makes prom-client listen to the primary.
  new AggregatorRegistry();
}
