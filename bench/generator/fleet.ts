import { createMarkerReader, type MarkerReader, nowUs } from "../wire/marker.ts";
import type { Codec, Protocol } from "../wire/packets.ts";
import { type Client, createClient, type Hub, type Role, type Tls } from "./client.ts";

/** Clients that connect alike. */
export interface Group {
  readonly role: Role;
  readonly count: number;
  /** Query parameters that tell the subject which rooms the connection joins. */
  readonly query: string;
}

/** Where and how a fleet connects. */
export interface FleetOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly codec: Codec;
  /** Socket.IO unless said otherwise. */
  readonly protocol?: Protocol;
  readonly namespace: string;
  readonly auth?: unknown;
  readonly tls: Tls;
  readonly groups: readonly Group[];
  /** Handshakes under way at once. */
  readonly concurrency: number;
  readonly timeoutMs: number;
  /**
   * Who is refused comes back after half to one and a half times this, as Socket.IO's clients do,
   * until the time is over. Without it a refusal is final.
   */
  readonly retryMs?: number;
}

/** What connecting a fleet took. */
export interface Connected {
  readonly joined: number;
  readonly failed: number;
  /** Attempts that did not succeed, the retried ones included. */
  readonly refused: number;
  readonly reasons: readonly string[];
  readonly elapsedMs: number;
  /** From the connection's attempt to its Socket.IO CONNECT, in microseconds, unsorted. */
  readonly handshakesUs: readonly number[];
}

/** Takes the marked messages of whatever scenario runs. */
export interface Watcher {
  take(client: Client, sequence: number, marker: Pick<MarkerReader, "scheduledUs">): void;
}

/** All connections of this process. */
export interface Fleet {
  readonly clients: Client[];
  /** Counts since the last reset: reads, bytes. */
  reads: number;
  bytes: number;
  /** When the read began whose messages are being taken. */
  readAtUs: number;
  watcher: Watcher | undefined;
  connect(options: FleetOptions): Promise<Connected>;
  /** Drops all connections; the server learns it from the TCP reset or end. */
  drop(): void;
}

/** As large as a socket's usual receive buffer: a read takes what there is. */
const BUFFER_BYTES = 512 * 1024;
/** Ports one source address has for one destination are about 28,000; stay clear of the end. */
const CLIENTS_PER_ADDRESS = 20_000;

/** Returns an empty fleet. */
export function createFleet(): Fleet {
  const marker = createMarkerReader();
  let settled: ((client: Client) => void) | undefined;
  const fleet: Fleet = {
    clients: [],
    reads: 0,
    bytes: 0,
    readAtUs: 0,
    watcher: undefined,
    async connect(options) {
      if (settled !== undefined) throw new Error("the fleet is connecting already");
      try {
        return await connectAll(fleet, hub, options, (listener) => (settled = listener));
      } finally {
        settled = undefined;
      }
    },
    drop() {
      for (const client of fleet.clients.splice(0)) client.drop();
    },
  };
  const hub: Hub = {
    buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
    seenRead(bytes) {
      fleet.reads++;
      fleet.bytes += bytes;
      fleet.readAtUs = nowUs();
    },
    take(client, message, start, end) {
      if (!marker.read(message, start, end)) return false;
      fleet.watcher?.take(client, marker.sequence, marker);
      return true;
    },
    joined: (client) => settled?.(client),
    closed: (client) => settled?.(client),
  };
  return fleet;
}

async function connectAll(
  fleet: Fleet,
  hub: Hub,
  options: FleetOptions,
  listen: (listener: (client: Client) => void) => void,
): Promise<Connected> {
  const plan = options.groups.flatMap((group) => Array.from({ length: group.count }, () => group));
  const startedUs = nowUs();
  const handshakesUs: number[] = [];
  const reasons = new Set<string>();
  const pending = new Set<Client>();
  const timers = new Set<NodeJS.Timeout>();
  let begun = 0;
  let refused = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, options.timeoutMs);
    const open = (index: number) => {
      const client = createClient(clientOptions(options, plan[index], index), hub);
      client.startedUs = nowUs();
      client.index = index;
      fleet.clients.push(client);
      pending.add(client);
    };
    const fill = () => {
      while (pending.size < options.concurrency && begun < plan.length) open(begun++);
      if (pending.size + timers.size > 0) return;
      clearTimeout(timer);
      resolve();
    };
    const retry = ({ index }: Client, retryMs: number) => {
      const wait = setTimeout(
        () => {
          timers.delete(wait);
          open(index);
        },
        retryMs * (0.5 + Math.random()),
      );
      timers.add(wait);
    };
    listen((client) => {
      if (!pending.delete(client)) return;
      if (client.state === "joined") handshakesUs.push(nowUs() - client.startedUs);
      else {
        refused++;
        reasons.add(client.reason);
        if (options.retryMs !== undefined) retry(client, options.retryMs);
      }
      fill();
    });
    fill();
  });
  for (const timer of timers) clearTimeout(timer);
  if (pending.size > 0) reasons.add(`not joined within ${options.timeoutMs} ms`);
  for (const client of pending) client.drop();
  return {
    joined: handshakesUs.length,
    failed: plan.length - handshakesUs.length,
    refused,
    reasons: [...reasons].slice(0, 10),
    elapsedMs: (nowUs() - startedUs) / 1000,
    handshakesUs,
  };
}

function clientOptions(options: FleetOptions, group: Group | undefined, index: number) {
  const address = 1 + Math.floor(index / CLIENTS_PER_ADDRESS);
  const { host, port, path, codec, protocol, namespace, auth, tls } = options;
  return {
    target: { host, port, path, query: group?.query ?? "", secure: tls !== false },
    codec,
    protocol,
    namespace,
    auth,
    tls,
    role: group?.role ?? "member",
    localAddress: address > 1 && host.startsWith("127.") ? `127.0.0.${address}` : undefined,
  } as const;
}
