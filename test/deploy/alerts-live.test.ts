import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { readGroups } from "../../deploy/prometheus/rules.ts";
import { connectClient, type Socket } from "../harness/clients.ts";
import { type TestGateway, testGateway } from "../harness/gateway.ts";
import { type Prometheus, startPrometheus } from "../harness/prometheus.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { hasTool } from "../harness/tool.ts";
import { until } from "../harness/wait.ts";
import { openSession } from "../harness/wire-io.ts";

/** How much faster than in production the alerts' windows go by: five minutes are ten seconds. */
const FASTER = 30;
/** More than the alert about lost connections asks for before it speaks. */
const CLIENTS = 130;
const MANY_MS = 90_000;

/** The rules as shipped, with every window, offset and holding time divided by {@link FASTER}. */
function speedUp(): unknown[] {
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 };
  const shorter = (text: string) =>
    text.replace(/(\[|offset |^)(\d+)([smhd])(?=\]|\b)/g, (_all, before, count, name) => {
      const seconds = Number(count) * unit[name as keyof typeof unit]; // one of the four by the pattern
      return `${before}${Math.round((seconds * 1000) / FASTER)}ms`;
    });
  return readGroups().map((group) => ({
    groups: [
      {
        ...group,
        rules: group.rules.map((rule) => ({
          ...rule,
          expr: shorter(rule.expr),
          ...(rule.for !== undefined && { for: shorter(rule.for) }),
        })),
      },
    ],
  }));
}

async function gather(
  { url }: Pick<TestGateway, "url">,
  clients: Socket[] = [],
): Promise<Socket[]> {
  while (clients.length < CLIENTS) {
    const wave = Array.from({ length: 10 }, () => connectClient(url, "msgpack"));
    clients.push(...(await Promise.all(wave)));
  }
  return clients;
}

async function fired(prometheus: Prometheus, job: string): Promise<string[]> {
  const ever = `max_over_time(ALERTS{alertstate="firing", job="${job}"}[10m])`;
  return (await prometheus.query(ever)).map(({ labels }) => labels.alertname ?? "").sort();
}

async function fires(prometheus: Prometheus, job: string, alert: string): Promise<void> {
  const seen = async () => (await fired(prometheus, job)).includes(alert);
  await until(seen, `${alert} fires for ${job}`, MANY_MS);
}

async function startAll(t: TestContext) {
  const settings = { metrics: { defaults: true } };
  const gateways = {
    slow: await testGateway(t, {
      ...settings,
      socket: { bufferBytesMax: 65_536, stallMsMax: 2000 },
    }),
    storm: await testGateway(t, settings),
    load: await testGateway(t, settings),
    // Three times as long as its alert waits: scrapes and rules may be late.
    sluice: await testGateway(t, { ...settings, socket: { drainMs: 30_000 } }),
  };
  const wire = await tcpSwitch(t, gateways.storm.port);
  const [storm, sluice, load] = [
    await gather(wire),
    await gather(gateways.sluice),
    await gather(gateways.load),
  ];
  await connectClient(gateways.slow.url);
  t.after(() => {
    for (const client of [...storm, ...sluice, ...load]) client.disconnect();
  });
  const jobs = Object.entries(gateways).map(([name, { port }]) => [name, [`127.0.0.1:${port}`]]);
  const prometheus = await startPrometheus(t, Object.fromEntries(jobs), { rules: speedUp() });
  return { gateways, wire, load, prometheus };
}

test("a slow consumer, lost connections, a storm and a drain each fire their alert alone", async (t) => {
  if (!hasTool(t, "prometheus")) return;
  const { gateways, wire, load, prometheus } = await startAll(t);

  // Five quiet minutes of the sped-up clock: what `offset 5m` looks back at.
  const quiet = async () => {
    const past = await prometheus.query("job:sluice_connections:sum offset 10s");
    return past.length === 4;
  };
  await until(quiet, "the rules have ten seconds of history", MANY_MS);
  for (const job of ["slow", "storm", "load", "sluice"])
    assert.deepEqual(await fired(prometheus, job), [], `${job} is quiet`);

  // A load test that ends, for as long as the others take.
  for (const client of load) client.disconnect();
  await Promise.all([
    (async () => {
      const idle = await openSession(gateways.slow.port, "websocket");
      await idle.send("40");
      idle.ws?.tcp.socket.pause();
      await until(async () => {
        gateways.slow.io.emit("news", "x".repeat(100_000));
        return (await gateways.slow.metric("sluice_slow_consumers_total")) > 0;
      }, "the gateway closes the slow consumer");
      await fires(prometheus, "slow", "SluiceSlowConsumers");
      idle.close("reset");
    })(),
    (async () => {
      wire.cut();
      await fires(prometheus, "storm", "SluiceConnectionsFell");
      assert.ok(!(await fired(prometheus, "storm")).includes("SluiceReconnectStorm"));
      t.after(() => {
        for (const client of again) client.disconnect();
      });
      const again: Socket[] = [];
      await gather(gateways.storm, again);
      await fires(prometheus, "storm", "SluiceReconnectStorm");
    })(),
    (async () => {
      const stopped = gateways.sluice.stop();
      await fires(prometheus, "sluice", "SluiceDrainSlow");
      const left = await prometheus.query(
        `min_over_time(sluice_drain_remaining_connections{job="sluice"}[1m])
         < max_over_time(sluice_drain_remaining_connections{job="sluice"}[1m])`,
      );
      assert.equal(left.length, 1, "Prometheus saw the drain go on");
      await stopped;
      await fires(prometheus, "sluice", "SluiceDown");
    })(),
  ]);

  assert.deepEqual(await fired(prometheus, "storm"), [
    "SluiceConnectionsFell",
    "SluiceReconnectStorm",
  ]);
  const fell = 'min_over_time(job:sluice_connections:sum{job="load"}[1m])';
  assert.equal((await prometheus.query(fell))[0]?.value, 0, "Prometheus saw the load test end");
  assert.deepEqual(await fired(prometheus, "load"), []);
  // A drain lets go of its connections on purpose: no alert about those.
  assert.deepEqual(await fired(prometheus, "sluice"), ["SluiceDown", "SluiceDrainSlow"]);
  assert.ok(!(await fired(prometheus, "slow")).includes("SluiceConnectionsFell"));
});
