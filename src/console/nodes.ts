import { hostname } from "node:os";
import type { Server } from "socket.io";
import { connectionOf, findSocket, namespacesOf } from "../seam/socket-io.ts";
import { mask } from "./masks.ts";

/** The event by which consoles ask other nodes. It is no client's: clients cannot send it. */
const QUESTION = "sluice:console";

/** How many namespaces of a node are listed. */
const NAMESPACES_MAX = 100;

/** One node, as it tells of itself. */
export interface NodeRow {
  readonly name: string;
  readonly version: string;
  readonly startedAt: number;
  readonly connections: number;
  readonly residentBytes: number;
  readonly namespaces: readonly {
    readonly name: string;
    readonly sockets: number;
    readonly rooms: number;
  }[];
}

/** All nodes, the one that asks first. */
export interface NodeList {
  readonly nodes: readonly NodeRow[];
  /** Whether all have answered. */
  readonly whole: boolean;
  /** Milliseconds until the last answer was here; none if there are no others. */
  readonly answeredMs?: number;
}

type Question =
  | { readonly ask: "node" }
  | { readonly ask: "socket"; readonly namespace: string; readonly id: string };

/** Asks the gateways that share the sockets. */
export interface Nodes {
  list(): Promise<NodeList>;
  /** Resolves with all that is known of a socket of any node; `undefined` if there is none. */
  socket(namespace: string, id: string): Promise<object | undefined>;
  stop(): void;
}

/** Answers what other nodes ask, and returns what asks them. */
export function connectNodes(
  io: Server,
  { version, isAlone }: { readonly version: string; isAlone(): boolean },
): Nodes {
  const startedAt = Date.now() - Math.round(process.uptime() * 1000);
  const name = `${hostname()}:${process.pid}`;
  const answerTo = (question: unknown): unknown => {
    const asked = question as Question; // any object can be read so
    if (asked?.ask === "node") return describeNode(io, { name, version, startedAt });
    if (asked?.ask !== "socket") return null;
    return describeSocket(io, asked, name) ?? null;
  };
  const hear = (question: unknown, done?: unknown): void => {
    if (typeof done === "function") done(answerTo(question));
  };
  io.on(QUESTION as never, hear as never); // its types know the events of clients only
  async function ask(question: Question) {
    const startedMs = performance.now();
    try {
      const all: unknown[] = await io.serverSideEmitWithAck(QUESTION, question);
      return { answers: all, whole: true, tookMs: performance.now() - startedMs };
    } catch (error) {
      const { responses = [] } = error as { readonly responses?: unknown[] };
      return { answers: responses, whole: false, tookMs: performance.now() - startedMs };
    }
  }
  return {
    async list() {
      const own = describeNode(io, { name, version, startedAt });
      if (isAlone()) return { nodes: [own], whole: true };
      const { answers, whole, tookMs } = await ask({ ask: "node" });
      const answeredMs = Math.round(tookMs * 10) / 10;
      const others = answers.filter(
        (one): one is NodeRow => typeof one === "object" && one !== null,
      );
      return { nodes: [own, ...others], whole, answeredMs };
    },
    async socket(namespace, id) {
      const asked = { ask: "socket", namespace, id } as const;
      const own = describeSocket(io, asked, name);
      if (own || isAlone()) return own;
      const { answers } = await ask(asked);
      return answers.find((one): one is object => typeof one === "object" && one !== null);
    },
    stop: () => void io.off(QUESTION as never, hear as never),
  };
}

function describeNode(io: Server, about: Pick<NodeRow, "name" | "version" | "startedAt">): NodeRow {
  const namespaces = [...namespacesOf(io).values()].slice(0, NAMESPACES_MAX);
  return {
    ...about,
    connections: io.engine.clientsCount,
    residentBytes: process.memoryUsage.rss(),
    namespaces: namespaces.map(({ name, sockets, adapter }) => ({
      name,
      sockets: sockets.size,
      // Every socket has a room of its own.
      rooms: adapter.rooms.size - adapter.sids.size,
    })),
  };
}

/** What the console shows of a connection of Sluice's engine. */
interface ShownConnection {
  readonly codec: string;
  readonly protocol: number;
  readonly transport: { readonly name: string };
  readonly heldBytes: number;
  readonly pressured: boolean;
  readonly openedAt: number;
}

function describeSocket(
  io: Server,
  { namespace, id }: { readonly namespace: string; readonly id: string },
  node: string,
): object | undefined {
  const there = namespacesOf(io).get(namespace);
  const socket = there && findSocket(there, id);
  if (!socket) return undefined;
  const connection = connectionOf<ShownConnection>(socket);
  const { address, issued, secure, query, headers, auth } = socket.handshake;
  return {
    ...{ id, namespace, node },
    rooms: [...socket.rooms].slice(0, 1000).map(String),
    data: mask(socket.data),
    handshake: { address, issued, secure, query: mask(query), headers: mask(headers) },
    // What a client proves itself with, under any name.
    auth: Object.fromEntries(Object.keys(auth).map((key) => [key.slice(0, 100), "•••"])),
    connection: {
      transport: connection.transport.name,
      codec: connection.codec,
      protocol: connection.protocol,
      unsentBytes: connection.heldBytes,
      pressured: connection.pressured,
      ageMs: Math.round(performance.now() - connection.openedAt),
    },
    recovered: socket.recovered,
  };
}
