import type { Client } from "./connect.ts";

/** What insisting on subscriptions needs. */
export interface InsistNeeds {
  failed(): void;
  isStopped(): boolean;
  /** Resolves when a Redis that refused may be asked again. */
  pause(): Promise<void>;
  /** Something is being subscribed to. */
  listens(): void;
}

/**
 * Has a client subscribe until it has subscribed, and only where that lasts.
 *
 * ioredis sends a subscription as soon as there is a connection. Before that is ready it costs more
 * than it brings: the commands that make it ready are refused on a connection that listens, it is
 * made again, and nobody remembers what was subscribed there. A subscription that was granted on a
 * ready one is made again by ioredis after an outage, which looks at no failure of that.
 */
export function insistOnSubscriptions(client: Client, needs: InsistNeeds): void {
  const { failed, isStopped, pause, listens } = needs;
  const waiting: (() => void)[] = [];
  client.on("ready", () => {
    for (const go of waiting.splice(0)) go();
  });
  for (const name of ["subscribe", "psubscribe"] as const) {
    // Of many shapes.
    const once = client[name].bind(client) as (...given: unknown[]) => Promise<unknown>;
    const insist = async (...given: unknown[]): Promise<unknown> => {
      while (!isStopped()) {
        if (client.status !== "ready") {
          await new Promise<void>((resolve) => waiting.push(resolve));
          continue;
        }
        try {
          listens();
          return await once(...given);
        } catch {
          failed();
          await pause();
        }
      }
      return undefined;
    };
    Object.assign(client, { [name]: insist });
  }
}
