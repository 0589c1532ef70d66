import { randomBytes } from "node:crypto";
import type { Log } from "../core/log.ts";
import type { Settings } from "../core/settings-shape.ts";
import { LEAVE, RENEW, SETTLED, TAKE } from "./lease-scripts.ts";
import { type LeasedSocket, readRecord, recordName, writeRecord } from "./leased-socket.ts";
import { createLedger } from "./ledger.ts";
import type { Client, RedisLink } from "./redis.ts";

/** Who speaks for the sockets of nodes that died. */
export interface Successor {
  /** Tells that a socket of a dead node is gone; resolves when nobody needs to be told any more. */
  lost(socket: LeasedSocket, node?: string): Promise<void>;
  /** Another node has taken this one's lease and told that these sockets are gone: so be it. */
  taken(): void;
  /** Characters of a socket's data, as JSON, that are written down; above, it is told without. */
  readonly dataCharsMax?: number;
}

/** What a lease counts, as plain numbers. */
export interface LeaseSamples {
  /** Nodes whose lease runs, this one included, when it was last renewed. */
  nodes: number;
  /** Sockets of dead nodes that this node has spoken for. */
  lostSockets: number;
  /** Leases of this node that another has taken. */
  taken: number;
}

/** Who keeps something else in Redis for as long as the node lives. */
export interface Follower {
  /** The lease of this node runs for another while. */
  renewed(node: string): Promise<void>;
  /** Another node has taken it, and all that this one took; the next has another name. */
  taken(node: string): Promise<void>;
  /**
   * Sees to what a dead node has left, which is this node's now. Resolves when nothing is left, and
   * rejects when it is this node's no longer. It may be called again. Without it the node takes no
   * lease of one that has left calls.
   */
  adopt?(dead: string): Promise<void>;
}

/** This node's word, in Redis, that it lives. */
export interface Lease {
  /** The first word of every key in Redis that goes with leases. */
  readonly prefix: string;
  /** The name under which this node holds its lease. */
  readonly node: string;
  /** Whether it speaks for the sockets of others. */
  readonly speaks: boolean;
  /** Has a survivor speak for this socket if the node dies. */
  enter(socket: LeasedSocket): void;
  /** Writes a socket that was entered down again, if it has changed. */
  update(socket: LeasedSocket): void;
  /** Nobody needs to be told of this socket any more. */
  strike(socket: Pick<LeasedSocket, "id" | "namespace">): void;
  /** Resolves when all sockets are written down as they are known, or could not be. */
  written(): Promise<void>;
  /**
   * Calls `call` at once while the lease certainly runs, and else when it is known whether another
   * node has taken it, which waits for Redis no longer than `timeoutMs`.
   */
  whenSure(call: () => void): void;
  /** Whether the lease certainly runs: then no other node has taken it. */
  isHeld(): boolean;
  /** Calls `call` at once while the lease certainly runs, and else when it does again. */
  whenHeld(call: () => void): void;
  /** Another node may have taken the lease: until that is known it is not held. */
  doubt(): void;
  /** Names who speaks for others' sockets; without one the node takes only empty leases. */
  name(successor: Successor): void;
  /** Has someone know of every renewal. */
  accompany(follower: Follower): void;
  /**
   * Speaks for one socket of a dead node, whose record is in this node's ledger in Redis already.
   */
  takeOver(record: string): void;
  samples(): LeaseSamples;
  /** Gives the lease back. */
  stop(): Promise<void>;
}

/** Sockets of one step: the next follow when the functions have been told of these. */
const STEP_SOCKETS = 100;
/** How long a node that was taken for dead may be away and still be told so. */
const TAKEN_MS = 86_400_000;
/** Channel on which a node that stops tells that it has left something. */
const LEFT = "left";
/** Sockets that come and go are written down together. */
const FLUSH_MS = 20;

/**
 * Holds a lease of `leaseMs` and looks for those that ended.
 *
 * Exactly one node takes an ended lease, by a script that runs at once. It has the functions told
 * of each socket before it strikes it out, so when it dies too, another goes on. A node that finds
 * its own lease taken, since it was frozen or cut off, gives up the sockets of it and begins a new
 * one. Who starts, or whose own lease has ended without being taken, takes none for the time of a
 * lease, but those that were given up: when Redis itself was away, all leases have ended, and
 * whoever is back first is not the only one.
 */
export function holdLease(
  settings: Settings["cluster"],
  { link, log }: { readonly link: RedisLink; readonly log: Log },
): Lease {
  // In braces: a Redis Cluster keeps all of it on one node, where scripts can reach it.
  const prefix = `${settings.prefix}:{nodes}:`;
  const alive = `${prefix}alive`;
  const owners = `${prefix}owners`;
  const newNode = () => `${link.name}.${randomBytes(6).toString("hex")}`;
  const samples: LeaseSamples = { nodes: 0, lostSockets: 0, taken: 0 };
  let node = newNode();
  let successor: Successor | undefined;
  let busy: Promise<void> = Promise.resolve();
  let stopped = false;
  /** When the lease was last renewed, by this node's own clock, and who waits for that. */
  let renewedAt = performance.now();
  /** Until then others may only not have reached Redis again, as this node a moment before. */
  let patientUntil = renewedAt + settings.leaseMs;
  const doubts: (() => void)[] = [];
  const holders: (() => void)[] = [];
  let doubted: NodeJS.Timeout | undefined;
  const ledger = createLedger({ link, key: () => `${prefix}sockets:${node}`, flushMs: FLUSH_MS });
  const followers: Follower[] = [];
  const owned = new Set<string>();
  const settling = new Set<string>();
  let left: Client | undefined;
  const isHeld = () => !stopped && performance.now() - renewedAt < settings.leaseMs;
  const adopters = () => followers.filter(({ adopt }) => adopt !== undefined);

  async function renew(): Promise<void> {
    const { leaseMs } = settings;
    const keys = [alive, `${prefix}taken:${node}`];
    const askedAt = performance.now();
    const count = Number(
      await link.ask((client) => client.eval(RENEW, 2, ...keys, node, String(leaseMs))),
    );
    if (count >= 0) {
      samples.nodes = count;
      const now = performance.now();
      if (now - renewedAt >= leaseMs) patientUntil = now + leaseMs;
      renewedAt = askedAt;
      becomeSure();
      for (const call of holders.splice(0)) call();
      for (const follower of followers) await follower.renewed(node);
      return;
    }
    // What this node had taken went with it.
    owned.clear();
    for (const follower of followers) await follower.taken(node);
    samples.taken++;
    node = newNode();
    log("error", { component: "cluster", leaseMs }, "another node took this node for dead");
    successor?.taken();
    ledger.clear();
    await renew();
  }

  function whenSure(call: () => void): void {
    if (stopped || performance.now() - renewedAt < settings.leaseMs) {
      call();
      return;
    }
    doubts.push(call);
    doubted ??= setTimeout(becomeSure, settings.timeoutMs);
    void turn();
  }

  function becomeSure(): void {
    clearTimeout(doubted);
    doubted = undefined;
    for (const call of doubts.splice(0)) call();
  }

  async function take(): Promise<void> {
    const isPatient = performance.now() < patientUntil;
    const flags = [successor, adopters().length > 0].map((has) => (has ? "1" : "0"));
    const given = [node, ...flags, prefix, String(TAKEN_MS), isPatient ? "1" : "0"];
    // The script answers with texts.
    const [isLeft, ...mine] = (await link.ask((client) =>
      client.eval(TAKE, 2, alive, owners, ...given),
    )) as string[];
    const [dead] = mine;
    if (dead === undefined) return;
    if (isLeft === "1")
      log("info", { component: "cluster", node: dead }, "a node left calls or sockets");
    else log("warn", { component: "cluster", node: dead }, "a node is lost");
    for (const each of mine) owned.add(each);
    // Its subscriptions count as a node until Redis sees that nobody is there.
    const name = dead.slice(0, dead.lastIndexOf("."));
    await link.cutOff(name).catch(() => {});
    await take();
  }

  /** Has functions told of the sockets of a dead node. */
  async function speakFor(dead: string): Promise<void> {
    const key = `${prefix}sockets:${dead}`;
    while (successor && !stopped && owned.has(dead)) {
      const step = (await link.ask((client) =>
        client.hrandfield(key, STEP_SOCKETS, "WITHVALUES"),
      )) as string[]; // names and values in turn
      if (step.length === 0) break;
      const names = step.filter((_, at) => at % 2 === 0);
      const told = step.filter((_, at) => at % 2 === 1).map((record) => tell(record, dead));
      await Promise.all(told);
      await link.ask((client) => client.hdel(key, ...names));
    }
  }

  async function settle(dead: string): Promise<void> {
    const isMine = () => !stopped && owned.has(dead);
    await Promise.all([speakFor(dead), ...adopters().map(({ adopt }) => adopt?.(dead))]);
    if (!isMine()) return;
    await link.ask((client) => client.eval(SETTLED, 1, owners, dead, node));
    owned.delete(dead);
  }

  async function tell(record: string, dead?: string): Promise<void> {
    const socket = readRecord(record);
    if (!socket || !successor) return;
    samples.lostSockets++;
    await successor.lost(socket, dead);
  }

  /** Each by itself: a function that is down may keep one for long. */
  function settleAll(): void {
    for (const dead of owned) {
      if (settling.has(dead)) continue;
      settling.add(dead);
      settle(dead)
        // Redis is away; what is left is seen to when it is back.
        .catch(() => {})
        .finally(() => settling.delete(dead));
    }
  }

  /** Hears when a node that stops has left something. */
  function listen(): Client {
    const client = link.patient();
    client.on("message", () => void turn());
    // What was told before it heard is looked for then.
    client.subscribe(prefix + LEFT).then(turn, () => {});
    return client;
  }

  function turn(): Promise<void> {
    busy = busy
      .then(async () => {
        if (stopped || !link.isHere()) return;
        await renew();
        await take();
        settleAll();
      })
      .catch(() => {});
    return busy;
  }

  link.watch((here) => {
    if (!here) return;
    // Redis may have lost what it knew.
    ledger.rewrite();
    void turn();
  });
  const timer = setInterval(() => void turn(), settings.leaseMs / 3);

  return {
    prefix,
    get node() {
      return node;
    },
    get speaks() {
      return successor !== undefined;
    },
    enter: (socket) =>
      void ledger.enter(recordName(socket), writeRecord(socket, successor?.dataCharsMax)),
    update(socket) {
      const name = recordName(socket);
      const before = ledger.read(name);
      const now = writeRecord(socket, successor?.dataCharsMax);
      if (before !== undefined && before !== now) ledger.enter(name, now);
    },
    strike: (socket) => ledger.strike(recordName(socket)),
    async written() {
      // The records of a lease that was taken are not to be there again.
      await new Promise<void>(whenSure);
      await ledger.flushed();
    },
    whenSure,
    isHeld,
    whenHeld(call) {
      if (isHeld()) call();
      else holders.push(call);
    },
    doubt() {
      renewedAt = Number.NEGATIVE_INFINITY;
      void turn();
    },
    name(given) {
      successor = given;
    },
    accompany(follower) {
      followers.push(follower);
      if (follower.adopt && !left) left = listen();
      void turn();
    },
    takeOver(text) {
      const socket = readRecord(text);
      if (!socket) return;
      const record = ledger.enter(recordName(socket), text);
      // Its session goes on here: then the name is another socket's.
      void tell(text).then(() => ledger.strike(recordName(socket), record));
    },
    samples: () => samples,
    async stop() {
      clearInterval(timer);
      left?.disconnect();
      await busy;
      stopped = true;
      becomeSure();
      await ledger.flushed();
      const words = ["taken", "sockets", "journal"].map((word) => `${prefix}${word}:${node}`);
      const keys = [alive, owners, ...words];
      // Others see to sockets that are still in the ledger, and to calls in the journal.
      await link
        .ask(async (client) => {
          const isLeft = await client.eval(LEAVE, keys.length, ...keys, node);
          if (isLeft === 1) await client.publish(prefix + LEFT, node);
        })
        .catch(() => {});
    },
  };
}
