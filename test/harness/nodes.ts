import type { TestContext } from "node:test";
import type { Socket as Client } from "socket.io-client";
import { findFreePort } from "./free-port.ts";
import { type ClientOptions, newClient, sumMetric } from "./gateway.ts";
import { type Scope, SLUICE, startProcess, type TestProcess } from "./process.ts";
import type { TestRedis } from "./redis.ts";
import { next } from "./wait.ts";

/** A gateway in a process of its own. */
export interface TestNode {
  readonly run: TestProcess;
  readonly port: number;
  readonly url: string;
  /** The sum of a metric's series whose labels contain `labels`. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
}

/** Starts a gateway in a process of its own, with its events answered by `obedient.ts`. */
export async function nodeProcess(
  t: Scope,
  redis: Pick<TestRedis, "url">,
  env: Readonly<Record<string, string>> = {},
): Promise<TestNode> {
  const port = await findFreePort();
  const run = startProcess(t, SLUICE, {
    PORT: String(port),
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_CLUSTER_REDIS_URL: redis.url,
    SLUICE_OVERLOAD_ENABLED: "false",
    SLUICE_HANDLERS_MODULE: "test/harness/obedient.ts",
    ...env,
  });
  await run.said("listening on port", 60_000);
  const url = `http://127.0.0.1:${port}`;
  const metric: TestNode["metric"] = async (name, labels) =>
    sumMetric(await (await fetch(`${url}/metrics`)).text(), name, labels);
  return { run, port, url, metric };
}

/** Connects clients that come back by themselves, and notes the numbers that each gets. */
export async function arrivals(
  t: TestContext,
  url: string,
  count: number,
  options: ClientOptions = {},
): Promise<{ readonly clients: Client[]; readonly received: number[][] }> {
  const received: number[][] = [];
  const clients: Client[] = [];
  for (let at = 0; at < count; at++) {
    const codec = at % 2 === 0 ? "msgpack" : "json";
    const own = { codec, reconnection: true, reconnectionDelay: 50, ...options } as const;
    const client = newClient(url, own);
    const numbers: number[] = [];
    client.on("n", (n: number) => numbers.push(n));
    received.push(numbers);
    clients.push(client);
  }
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  await Promise.all(clients.map((client) => next(client.connect(), "connect", 30_000)));
  return { clients, received };
}
