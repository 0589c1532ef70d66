import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { CloseReason } from "../../src/core/closes.ts";
import type { PartialSettings } from "../../src/core/settings.ts";
import type { RefusalReason } from "../../src/socket/samples.ts";
import { until } from "../harness/wait.ts";
import { openClient, type WireClient } from "../harness/wire-io.ts";
import { type GatewayChild, startGatewayChild } from "./gateway-child.ts";

/** One row of hostile input: an attack, and what must have been counted after it. */
export interface Row {
  /** The vulnerability, Autobahn case or attack that it is named after. */
  readonly id: string;
  readonly title: string;
  /** Attacks and asserts what comes back over the wire. Leaves nothing open. */
  attack(port: number): Promise<void>;
  /** Series of `/metrics` and by how much the attack must have raised them, exactly. */
  readonly counted: Readonly<Record<string, number>>;
  /** The most the process may ever have grown by, where it is not {@link GROWTH_BYTES_MAX}. */
  readonly growthBytesMax?: number;
}

/** Peak growth allowed to an attack: room for a collection that is late, not for a bomb. */
export const GROWTH_BYTES_MAX = 48 * 1024 * 1024;

/** On a busy machine the gateway would rightly shed the attackers, and nothing be learned. */
const UNSHED: PartialSettings = { overload: { enabled: false } };

/** The series of connections closed for a reason. */
export const closed = (reason: CloseReason, times = 1): Record<string, number> => ({
  [`sluice_connections_closed_total{reason="${reason}"}`]: times,
});

/** The series of requests refused for a reason. */
export const refused = (reason: RefusalReason, times = 1): Record<string, number> => ({
  [`sluice_handshakes_refused_total{reason="${reason}"}`]: times,
});

/** The series of packets the codec refused for a reason. */
export const notDecoded = (reason: string, times = 1): Record<string, number> => ({
  [`sluice_codec_refused_total{reason="${reason}"}`]: times,
  ...closed("bad_packet", times),
});

/** A gateway under attack, and a client that has nothing to do with it. */
interface Scene {
  readonly gateway: GatewayChild;
  readonly neighbour: WireClient;
  /** As they were after the last row: to collect garbage and to scrape twice a row is slow. */
  series: Series;
  peak: number;
}

type Series = ReadonlyMap<string, number>;

/** Runs rows against one gateway in a child process; after each, everything else must be well. */
export function attackRows(
  what: string,
  rows: readonly Row[],
  settings: PartialSettings = {},
): void {
  describe(what, () => {
    let scene: Scene;
    before(async () => {
      const gateway = await startGatewayChild({ ...settings, ...UNSHED });
      const neighbour = await openClient(gateway.port, "websocket", "msgpack");
      const { peak } = await gateway.memory();
      scene = { gateway, neighbour, series: await gateway.scrape(), peak };
    });
    after(async () => {
      scene.neighbour.close();
      await scene.gateway.stop();
    });
    for (const row of rows) test(`${row.id}: ${row.title}`, () => survive(scene, row));
  });
}

/**
 * Runs rows side by side, because each waits for a clock. Counts are compared as sums after the
 * last one, and file descriptors must be back where they were.
 */
export function attackAtOnce(
  what: string,
  rows: readonly Row[],
  settings: PartialSettings = {},
): void {
  describe(what, () => {
    let gateway: GatewayChild;
    let earlier: Series;
    let files = 0;
    before(async () => {
      gateway = await startGatewayChild({ ...settings, ...UNSHED });
      earlier = await gateway.scrape();
      files = (await gateway.memory()).files;
    });
    after(() => gateway.stop());
    describe("side by side", { concurrency: rows.length }, () => {
      for (const row of rows) test(`${row.id}: ${row.title}`, () => row.attack(gateway.port));
    });
    test("all of them were counted, and nothing is left of them", async () => {
      const sum: Record<string, number> = {};
      for (const [name, by] of rows.flatMap((row) => Object.entries(row.counted))) {
        sum[name] = (sum[name] ?? 0) + by;
      }
      await settle(gateway, earlier, sum);
      await until(async () => (await gateway.memory()).files <= files, "file descriptors");
      const client = await openClient(gateway.port, "websocket", "msgpack");
      assert.deepEqual(await client.ask("ask", 1), [1]);
      client.close();
    });
  });
}

async function survive(scene: Scene, row: Row): Promise<void> {
  const { gateway, neighbour } = scene;
  const question = [row.id, Buffer.from(row.title)];
  try {
    await row.attack(gateway.port);
  } finally {
    gateway.assertAlive();
  }
  assert.deepEqual(await neighbour.ask("ask", ...question), question, "the neighbour's ack");
  scene.series = await settle(gateway, scene.series, row.counted);
  const { peak } = await gateway.memory();
  const growth = peak - scene.peak;
  scene.peak = peak;
  const max = row.growthBytesMax ?? GROWTH_BYTES_MAX;
  assert.ok(growth <= max, `it grew by ${growth} bytes`);
  gateway.assertAlive();
}

/**
 * Waits until the counts are there and every attacker's connection is gone, then compares. Returns
 * all series.
 */
async function settle(
  gateway: GatewayChild,
  before: Series,
  counted: Readonly<Record<string, number>>,
): Promise<Series> {
  let now = before;
  let raised: Record<string, number> = {};
  let open: readonly string[] = [];
  const read = async () => {
    now = await gateway.scrape();
    raised = {};
    for (const name of Object.keys(counted)) {
      assert.ok(now.has(name), `there is no series ${name}`);
      raised[name] = (now.get(name) ?? 0) - (before.get(name) ?? 0);
    }
    open = [...now].filter(isConnections).map(([name, value]) => `${name} ${value}`);
    const total = (series: Series) =>
      [...series].filter(isConnections).reduce((sum, [, value]) => sum + value, 0);
    const enough = Object.entries(counted).every(([name, by]) => (raised[name] ?? 0) >= by);
    return enough && total(now) === total(before);
  };
  try {
    await until(read, "counts and closed connections");
  } catch (error) {
    assert.deepEqual(raised, counted, "what was counted");
    throw new Error(`connections are still open: ${open}`, { cause: error });
  }
  assert.deepEqual(raised, counted, "what was counted");
  return now;
}

function isConnections([name]: [string, number]): boolean {
  return name.startsWith("sluice_connections{");
}
