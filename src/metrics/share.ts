import { isOpenMetrics, type Scraped } from "./registry.ts";

/** Returns the samples of now, in a format that an `Accept` header names. */
export type Scrape = (accept: string) => Promise<Scraped>;

/**
 * Returns a scrape that is shared by all who ask for it until it has ended: it takes milliseconds
 * in which nothing else happens, and its route may be open to strangers. It begins with the next
 * turn of the event loop, after whatever else this one brings.
 */
export function shareScrapes(scrape: Scrape): Scrape {
  const shared = new Map<boolean, Promise<Scraped>>();
  return (accept) => {
    const open = isOpenMetrics(accept);
    const running = shared.get(open);
    if (running) return running;
    const next = new Promise((resolve) => setImmediate(resolve))
      .then(() => scrape(accept))
      .finally(() => shared.delete(open));
    shared.set(open, next);
    return next;
  };
}
