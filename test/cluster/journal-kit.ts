import type { TestContext } from "node:test";
import { openLink } from "../../src/cluster/bus.ts";
import { createJournal, type RedisJournal } from "../../src/cluster/journal.ts";
import type { JournalSettings } from "../../src/cluster/journal-keys.ts";
import { holdLease, type Lease } from "../../src/cluster/lease.ts";
import { createSamples } from "../../src/cluster/log/carrier.ts";
import type { RedisLink } from "../../src/cluster/redis.ts";
import { createSeal } from "../../src/cluster/seal.ts";
import type { JournalEntry, Letter, Place } from "../../src/core/journal.ts";
import { silentLog } from "../../src/core/log.ts";
import { readSettings } from "../../src/core/settings.ts";
import type { TestRedis } from "../harness/redis.ts";
import { until } from "../harness/wait.ts";

/** How one node's journal is kept; what is left out is ample. */
export interface NodeOptions extends Partial<Omit<JournalSettings, "letters">> {
  readonly letters?: Partial<JournalSettings["letters"]>;
  readonly busKey?: string;
  /** Whether it reads from the start. */
  readonly reads?: boolean;
}

/** An adopted call. */
export type Adopted = JournalEntry & { readonly place: Place };

/** A node with nothing but a lease and a journal. */
export interface JournalNode {
  readonly link: RedisLink;
  readonly lease: Lease;
  readonly journal: RedisJournal;
  /** What it has adopted, in order. */
  readonly adopted: Adopted[];
  /** How often its journal was taken. */
  taken(): number;
  /** Has it read the journals that it adopts. */
  read(): void;
  /** Ends it without a word. */
  die(): Promise<void>;
  /** Ends it as a gateway does. */
  stop(): Promise<void>;
}

/** Opens a node on a Redis; it ends with the test. */
export async function openNode(
  t: TestContext,
  { url }: Pick<TestRedis, "url">,
  options: NodeOptions = {},
): Promise<JournalNode> {
  const { leaseMs = 600, timeoutMs = 2000, busKey = "", reads = true, ...bounds } = options;
  const { cluster } = readSettings({ cluster: { redisUrl: url, leaseMs, timeoutMs, busKey } });
  const link = openLink(cluster, { log: silentLog, samples: createSamples() });
  await link.ready();
  const lease = holdLease(cluster, { link, log: silentLog });
  const letters = { max: 1000, bytesMax: 1_000_000, ageMs: 600_000, ...options.letters };
  const settings = { max: 10_000, bytesMax: 10_000_000, ...bounds, letters, timeoutMs, leaseMs };
  const seal = createSeal(busKey, cluster.prefix);
  const journal = createJournal(settings, {
    ...{ link, lease, seal, log: silentLog },
    written: lease.written,
  });
  const adopted: Adopted[] = [];
  let taken = 0;
  const read = () =>
    journal.read({
      async adopt(entries) {
        adopted.push(...entries);
      },
      taken() {
        taken++;
        adopted.length = 0;
      },
    });
  if (reads) read();
  const stop = async () => {
    await journal.stop();
    await lease.stop();
    await link.stop();
  };
  t.after(stop);
  const die = async () => {
    await link.stop();
    await until(() => !link.isHere(), "its end");
  };
  return { link, lease, journal, adopted, taken: () => taken, read, die, stop };
}

/** A call of a lane. */
export const call = (text: string, lane = "/,a"): JournalEntry => ({ lane, text });

/** Appends calls at once, and resolves with their places. */
export async function appendAll(
  { journal }: JournalNode,
  entries: readonly JournalEntry[],
): Promise<Place[]> {
  const all = await Promise.all(entries.map(journal.append));
  return all.map((place) => {
    if (typeof place === "string") throw new Error(`it was not written: ${place}`);
    return place;
  });
}

/** A letter as a node gives a call up. */
export const letterOf = (id: string, more: Partial<Letter> = {}): Letter => ({
  ...{ id, route: "default", reason: "UPSTREAM_FAILED", attempts: 3, status: 500 },
  ...{ at: 1, lane: "/,a", text: `call ${id}` },
  ...more,
});

/** Returns the texts of a journal in Redis, in order. */
export async function written(redis: TestRedis, node: string): Promise<string[]> {
  const key = `sluice:{nodes}:journal:${node}`;
  const lines = (await redis.command("XRANGE", key, "-", "+")).split("\n");
  return lines.filter((_, at) => lines[at - 1] === "t");
}

export const textsOf = (entries: readonly JournalEntry[]) => entries.map(({ text }) => text);
