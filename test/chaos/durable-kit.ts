import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { Redis } from "ioredis";
import type { Socket as Client } from "socket.io-client";
import { nameSettings } from "../../src/core/settings.ts";
import { type Answering, type Received, SECRET, startFunction } from "../harness/function.ts";
import { newClient, type TestGateway, testGateway } from "../harness/gateway.ts";
import { nodeProcess, type TestNode } from "../harness/nodes.ts";
import { type TestRedis, testRedis } from "../harness/redis.ts";
import { next, until } from "../harness/wait.ts";

/** The whole of it with `FULL=true`: 10,000 events of 200 sockets, and a function down for a minute. */
export const FULL = process.env.FULL === "true";
const SOCKETS = FULL ? 200 : 40;
const EVENTS = FULL ? 50 : 20;
const LEASE_MS = 1500;
const WAIT_MS = FULL ? 180_000 : 60_000;

/** What a function does with events and disconnects: takes, fails, or keeps them waiting. */
type Mode = "ok" | "fail" | "cut" | "hold";

/** A call as functions get it. */
interface Call {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly socket: { readonly id: string }; readonly args: readonly [number] };
}

interface Heard {
  /** Events in the order of their first arrival. */
  readonly numbers: number[];
  /** The id under which each event came. */
  readonly ids: Map<number, string>;
  disconnects: number;
}

/** A function that notes what it has taken, for each socket. */
export interface NotingFunction {
  readonly url: string;
  mode: Mode;
  /** Events it has taken, each once. */
  taken(): number;
  /** Calls it has taken more than once. */
  repeated(): number;
  disconnected(): number;
  /** Nobody listens any more, or somebody does again. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** So many of each socket's events have come, in order, and its disconnect after them. */
  check(emitted: ReadonlyMap<string, number>): void;
}

async function notingFunction(t: TestContext): Promise<NotingFunction> {
  const sockets = new Map<string, Heard>();
  let taken = 0;
  let repeated = 0;
  let disconnected = 0;
  const faults: string[] = [];

  function answer({ headers, json }: Received): Answering {
    const type = String(headers["ce-type"]);
    if (type === "io.sluice.connect") return {};
    const single = [{ id: String(headers["webhook-id"]), type, data: json }];
    const calls: Call[] = Array.isArray(json) ? json : single;
    for (const call of calls) note(call);
    if (fn.mode === "fail") return { status: 503 };
    if (fn.mode === "cut") return (response) => response.destroy();
    if (fn.mode === "hold") return () => {};
    for (const call of calls) take(call);
    return {};
  }

  function note({ id, type, data }: Call): void {
    const heard = sockets.get(data.socket.id) ?? { numbers: [], ids: new Map(), disconnects: 0 };
    sockets.set(data.socket.id, heard);
    // Whoever makes a disconnect call for a dead node cannot know the id of one that was under way.
    if (type !== "io.sluice.event") return;
    const [number] = data.args;
    const before = heard.ids.get(number) ?? id;
    if (before !== id) faults.push(`${data.socket.id}: ${number} came as ${before} and as ${id}`);
    heard.ids.set(number, id);
  }

  function take({ type, data }: Call): void {
    const heard = sockets.get(data.socket.id);
    if (!heard) return;
    if (type === "io.sluice.disconnect") {
      if (heard.disconnects === 0) disconnected++;
      heard.disconnects++;
      return;
    }
    const [number] = data.args;
    if (heard.numbers.includes(number)) repeated++;
    else {
      if (heard.disconnects > 0) faults.push(`${data.socket.id}: ${number} after its disconnect`);
      heard.numbers.push(number);
      taken++;
    }
  }

  let server = await startFunction(t, answer);
  const { url } = server;
  const fn: NotingFunction = {
    ...{ url, mode: "ok" },
    taken: () => taken,
    repeated: () => repeated,
    disconnected: () => disconnected,
    down: () => server.close(),
    async up() {
      server = await startFunction(t, answer, Number(new URL(url).port));
    },
    check(emitted) {
      assert.deepEqual(faults, []);
      for (const [id, count] of emitted) {
        const wanted = Array.from({ length: count }, (_, at) => at);
        assert.deepEqual(sockets.get(id)?.numbers, wanted, id);
      }
      t.diagnostic(`${taken} events, ${repeated} of them again`);
    },
  };
  return fn;
}

/** Gateways: processes, which can be killed, and others. */
type Node = Pick<TestGateway, "url" | "metric">;

/** Sockets at several gateways, whose events go to a function. */
export interface Play {
  readonly redis: TestRedis;
  readonly fn: NotingFunction;
  readonly processes: readonly TestNode[];
  /** Starts another gateway. */
  start(): Promise<Node>;
  startProcess(): Promise<TestNode>;
  /** Resolves once so many leases of nodes have been taken by others. */
  taken(count: number): Promise<void>;
  /** Resolves once no client of the first process is connected. */
  left(): Promise<void>;
  /** Has each socket that is connected emit its next events, up to a share of all. */
  emit(share: number): Promise<void>;
  /** Resolves once what was emitted was either taken, or is in a journal. */
  written(): Promise<void>;
  /** Resolves once all was taken, and nothing is left in Redis; checks it. */
  over(): Promise<void>;
}

interface PlayOptions {
  /** How many gateways are processes, and how many are not. */
  readonly processes?: number;
  readonly others?: number;
  readonly batch?: boolean;
  readonly redisOptions?: readonly string[];
}

function settingsOf(redis: TestRedis, url: string, batch: boolean) {
  return {
    socket: { drainMs: 500 },
    cluster: { redisUrl: redis.url, leaseMs: LEASE_MS, timeoutMs: 5000 },
    upstream: {
      ...{ url, batch, drainMs: 500, breakerOpenMs: 200 },
      ...(!FULL && { retryMsMax: 500 }),
    },
  };
}

/** Returns settings as a process gets them. */
function envOf(settings: Readonly<Record<string, Readonly<Record<string, unknown>>>>) {
  const given = nameSettings().flatMap(({ path, env }) => {
    const [section = "", name = ""] = path.split(".");
    const value = settings[section]?.[name];
    return value === undefined ? [] : [[env, String(value)]];
  });
  return Object.fromEntries(given) as Record<string, string>; // pairs of texts
}

/** Starts gateways and connects the sockets, as many to each. */
export async function play(
  t: TestContext,
  { processes: count = 0, others: more = 0, batch = false, redisOptions = [] }: PlayOptions,
): Promise<Play> {
  const redis = await testRedis(t, redisOptions);
  const client = new Redis(redis.url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on("error", () => {});
  t.after(() => client.disconnect());
  const fn = await notingFunction(t);
  const settings = settingsOf(redis, fn.url, batch);
  const { upstream } = settings;
  const own = { ...settings, upstream: { ...upstream, secrets: [SECRET] } };
  const start = () => testGateway(t, own);
  const secret = { SLUICE_HANDLERS_MODULE: "", SLUICE_UPSTREAM_SECRETS: SECRET };
  const startProcess = () => nodeProcess(t, redis, { ...envOf(settings), ...secret });
  const processes = await Promise.all(Array.from({ length: count }, startProcess));
  const others = await Promise.all(Array.from({ length: more }, start));
  const clients = await connect(t, [...processes, ...others]);
  const emitted = new Map(clients.map(({ id }) => [String(id), 0]));
  const total = () => [...emitted.values()].reduce((sum, count) => sum + count, 0);
  let round = 0;

  /** Calls in all journals. */
  async function journaled(): Promise<number> {
    const keys = await client.keys("sluice:{nodes}:journal:*");
    const lengths = await Promise.all(keys.map((key) => client.xlen(key)));
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  return {
    ...{ redis, fn, processes, start, startProcess },
    async taken(wanted) {
      const taken = async () => (await client.keys("sluice:{nodes}:taken:*")).length;
      await until(async () => (await taken()) === wanted, `${wanted} leases`, WAIT_MS);
    },
    async left() {
      const own = clients.filter((_, at) => at % (count + more) === 0);
      const isGone = () => own.every((each) => !each.connected);
      await until(isGone, "that the clients of the first are gone", WAIT_MS);
    },
    async emit(share) {
      for (; round < Math.round(EVENTS * share); round++) {
        for (const each of clients) {
          if (!each.connected) continue;
          each.emit("n", round);
          emitted.set(String(each.id), round + 1);
        }
        // As many as come in a moment, and not all at once.
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    async written() {
      const isWritten = async () => (await journaled()) === total() - fn.taken();
      await until(isWritten, "that all is written", WAIT_MS);
    },
    async over() {
      for (const each of clients) each.disconnect();
      await until(() => fn.taken() === total(), "the events", WAIT_MS).catch((error) => {
        throw new Error(`${fn.taken()} of ${total()} events came`, { cause: error });
      });
      await until(() => fn.disconnected() === SOCKETS, "the disconnects", WAIT_MS);
      await until(async () => (await journaled()) === 0, "an empty journal", WAIT_MS);
      const owners = () => client.hlen("sluice:{nodes}:owners");
      await until(async () => (await owners()) === 0, "that all is settled", WAIT_MS);
      assert.equal(await client.xlen("sluice:{nodes}:letters"), 0, "dead letters");
      fn.check(emitted);
    },
  };
}

async function connect(t: TestContext, nodes: readonly Node[]): Promise<Client[]> {
  const clients = Array.from({ length: SOCKETS }, (_, at) => {
    const codec = at % 2 === 0 ? "msgpack" : "json";
    const transports = [at % 5 === 0 ? "polling" : "websocket"] as const;
    return newClient(String(nodes[at % nodes.length]?.url), { codec, transports: [...transports] });
  });
  t.after(() => {
    for (const client of clients) client.disconnect();
  });
  await Promise.all(clients.map((client) => next(client.connect(), "connect", WAIT_MS)));
  return clients;
}
