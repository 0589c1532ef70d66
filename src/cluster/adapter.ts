import type { Namespace, Socket } from "socket.io";
import { Adapter, type BroadcastOptions, type Room } from "socket.io-adapter";
import type { CountedOthers } from "../core/membership.ts";
import type { Settings } from "../core/settings-shape.ts";
import type { PatchLimits } from "../core/socket-state.ts";
import { emitServerSide, findSocket } from "../seam/socket-io.ts";
import { admitWhenHeard, followInterest, type Interest } from "./interest.ts";
import type { BusSamples } from "./log/carrier.ts";
import {
  type Bus,
  type Entry,
  type EntryId,
  EVERYONE,
  type EventLog,
  nodeChannel,
} from "./log/event-log.ts";
import {
  type Address,
  type Answer,
  type Broadcast,
  channelsOf,
  keepArguments,
  keepMessage,
  type LogMessage,
  readLogMessage,
  readTold,
  type SocketsMove,
  type StatePatch,
  showSocket,
  type Told,
  withoutUnfit,
  writeLogMessage,
  writeTold,
} from "./messages.ts";
import { createPatch, patchSocket } from "./patches.ts";
import { askCounts, askSockets, askValues, countIn } from "./questions.ts";
import {
  createRecover,
  type Narrow,
  type Recover,
  type RecoverLimits,
  type SessionStore,
  sessionName,
  unkept,
} from "./recover.ts";
import { createRequests, type Requests } from "./requests.ts";
import type { LiveSession } from "./session-text.ts";

/** What the adapters of a node need. */
export interface AdapterNeeds {
  readonly bus: Bus;
  readonly settings: Pick<Settings["cluster"], "requestsMax" | "requestTimeoutMs">;
  readonly samples: Pick<BusSamples, "missed" | "timeouts" | "refused">;
  /** Something could not be sent, or a listener threw at what another node sent. */
  failed(error: unknown): void;
  /** Sockets have missed what was for them. Called before they get what comes later. */
  lost(namespace: string, sockets: readonly Socket[]): void;
  /** How sessions are recovered; without, they are not. */
  readonly recovery?:
    | (RecoverLimits & {
        readonly sessions: SessionStore;
        /** Called with each new adapter. */
        watch(adapter: Adapter): void;
      })
    | undefined;
}

interface Packet {
  readonly type: number;
  readonly data: unknown[];
  readonly id?: number;
}

type AckCallbacks = [counted: (recipients: number) => void, ack: (answer: unknown) => void];

/** The packet type of an event. */
const EVENT = 2;

/**
 * Returns the adapter class, for the `adapter` option of a Socket.IO server, by which the nodes of
 * a bus act as one.
 *
 * Each namespace has a log. A broadcast, and what is done to sockets, is an entry for the rooms it
 * addresses; a node hears the entries for rooms of which it has members, and carries them out in
 * the order of the log, its own ones too. So all clients see one order, and an offset is the id of
 * one entry. What asks for answers is told beside the log.
 *
 * While the log cannot be reached, the node's own sockets are served at once.
 */
export function createAdapterClass(needs: AdapterNeeds): typeof Adapter {
  return class extends BusAdapter {
    constructor(namespace: Namespace) {
      super(namespace, needs);
    }
  };
}

// Of socket.io-adapter's ClusterAdapter nothing would be left: it delivers a broadcast of its own
// without waiting for its turn.
class BusAdapter extends Adapter {
  readonly #needs: AdapterNeeds;
  readonly #log: EventLog<() => LogMessage>;
  readonly #requests: Requests;
  readonly #recover: Recover | undefined;
  /** The entries from which packets came, by their data, and moves, by whom they are of. */
  readonly #ids = new WeakMap<object, EntryId>();
  readonly #interest: Interest;
  #gaps = 0;

  constructor(namespace: Namespace, needs: AdapterNeeds) {
    super(namespace);
    this.#needs = needs;
    const { bus, settings, samples, recovery } = needs;
    this.#log = bus.open<() => LogMessage>(namespace.name, {
      heard: (entry, own) => this.#hear(entry, own),
      told: (from, body) => this.#told(from, body),
      lost: () => this.#lost(),
      left: (node) => this.#requests.left(node),
      refused: (own) => this.#miss(own()),
    });
    this.#requests = createRequests({
      node: needs.bus.node,
      requestsMax: settings.requestsMax,
      tell: async (told) => this.#log.tell(EVERYONE, writeTold(told)),
      timedOut: () => void samples.timeouts++,
    });
    admitWhenHeard(namespace, this.#log.subscribe([EVERYONE]));
    this.#interest = followInterest(this, this.#log);
    if (!recovery) return;
    const own = { namespace: namespace.name, log: this.#log, ids: this.#ids };
    this.#recover = createRecover({ ...recovery, ...own, hold: this.#interest.hold });
    recovery.watch(this);
  }

  /** For recovery: where in the log this node is. */
  here(): EntryId {
    return this.#log.place();
  }

  /** For recovery: which entry a packet came from. */
  identify(data: unknown[]): EntryId | undefined {
    return this.#ids.get(data);
  }

  override serverCount(): Promise<number> {
    // More than any number, while nobody can tell: who waits for the answers of all is told with
    // its timeout, and never that it has them. Socket.IO would not catch an error.
    return this.#log.nodes().catch(() => Number.POSITIVE_INFINITY);
  }

  override addAll(id: string, rooms: Set<Room>): Promise<void> {
    super.addAll(id, rooms);
    return this.#interest.heard;
  }

  override broadcast(packet: Packet, to: BroadcastOptions): void {
    const message: LogMessage = { do: "emit", to, data: packet.data, id: packet.id };
    if (to.flags?.local) this.#deliver(message, this.here());
    else void this.#append(message);
  }

  /** Resolves when it is done on this node, and this node hears the rooms its sockets joined. */
  override addSockets(to: BroadcastOptions, rooms: Room[]): Promise<void> {
    return this.#move({ do: "join", to, rooms: [...rooms] });
  }

  override delSockets(to: BroadcastOptions, rooms: Room[]): Promise<void> {
    return this.#move({ do: "leave", to, rooms: [...rooms] });
  }

  override disconnectSockets(to: BroadcastOptions, close: boolean): Promise<void> {
    return this.#move({ do: "disconnect", to, rooms: [], close });
  }

  /** Patches the data of a socket of any node, or of a session that waits for its client. */
  patchState(id: string, data: StatePatch["data"], limits: PatchLimits): Promise<void> {
    const patch = createPatch(id, data, limits);
    // The next call of a socket that is here again does not wait for the log.
    this.#patch(patch);
    return this.#append(patch);
  }

  /**
   * Resolves with how many sockets of other nodes are in each of some rooms, and whether all nodes
   * have answered within `timeoutMs`.
   */
  countOthers(rooms: readonly string[], timeoutMs: number): Promise<CountedOthers> {
    return askCounts(this.#requests, rooms, timeoutMs);
  }

  override broadcastWithAck(
    packet: Packet,
    to: BroadcastOptions,
    counted: AckCallbacks[0],
    ack: AckCallbacks[1],
  ): void {
    if (to.flags?.local) {
      super.broadcastWithAck(packet, to, counted, ack);
      return;
    }
    const timeoutMs = to.flags?.timeout ?? this.#needs.settings.requestTimeoutMs;
    const own = { ...packet, data: keepArguments(packet.data) };
    let isHere = false;
    const deliver = () => {
      if (isHere) return;
      isHere = true;
      try {
        super.broadcastWithAck(own, to, counted, ack);
      } catch (error) {
        this.#needs.failed(error);
      }
    };
    const heard = (from: string, answer: Answer) => {
      // Its turn has come here, too.
      if (from === this.#needs.bus.node) deliver();
      else if ("count" in answer) counted(answer.count);
      else if ("value" in answer) ack(answer.value);
    };
    // What is told may be lost on its way back: then its time has passed, but its sockets get it.
    const request = this.#requests.listen(heard, timeoutMs, deliver);
    this.#tell(EVERYONE, { do: "ask", to, data: packet.data, request }).catch(() => {
      this.#needs.samples.missed++;
      deliver();
    });
  }

  override async fetchSockets(to: BroadcastOptions): Promise<Socket[]> {
    if (to.flags?.local) return super.fetchSockets(to);
    const timeoutMs = to.flags?.timeout ?? this.#needs.settings.requestTimeoutMs;
    // Those of other nodes are what Socket.IO makes remote sockets of.
    return (await askSockets(this.#requests, to, timeoutMs)) as Socket[];
  }

  override async serverSideEmit(packet: unknown[]): Promise<void> {
    const ack = packet.at(-1);
    if (typeof ack !== "function") {
      await this.#tell(EVERYONE, { do: "serverEmit", data: packet }).catch(() => {
        this.#needs.samples.missed++;
      });
      return;
    }
    const { requestTimeoutMs } = this.#needs.settings;
    const { values, error } = await askValues(
      this.#requests,
      packet.slice(0, -1),
      requestTimeoutMs,
    );
    ack(error, values);
  }

  override persistSession(session: LiveSession): void {
    const { sessions } = this.#needs.recovery ?? {};
    sessions?.lose(sessionName(this.nsp.name, session.pid), session);
  }

  // Recovery gives the last argument; what it returns is declared narrower by the library.
  override async restoreSession(
    pid: string,
    offset: string,
    narrow: Narrow = ({ rooms }) => rooms,
  ): Promise<never> {
    const gaps = this.#gaps;
    const restored = await this.#recover?.restore(pid, offset, narrow);
    return (gaps === this.#gaps && restored ? restored : null) as never;
  }

  override close(): void {
    this.#recover?.stop();
    this.#requests.stop();
    this.#log.close();
    super.close();
  }

  /** Appends a message, which is carried out here when its turn comes, or at once if it cannot. */
  async #append(message: LogMessage): Promise<void> {
    const { bus, failed } = this.#needs;
    const { channels, all } = channelsOf(message.to);
    // Its other rooms are this node's alone.
    if (!all) channels.push(nodeChannel(bus.node));
    let body: Uint8Array;
    try {
      body = writeLogMessage(message);
    } catch (error) {
      failed(error);
      this.#miss(message);
      return;
    }
    await this.#log.append(channels, body, keepMessage(message, body)).catch(() => {});
  }

  /** Carries out here what no other node hears of. */
  #miss(message: LogMessage): void {
    this.#needs.samples.missed++;
    this.#deliver(message, unkept(this.here()));
  }

  async #move(move: SocketsMove): Promise<void> {
    if ((move.to as BroadcastOptions).flags?.local) {
      this.#deliver(move, this.here());
    } else await this.#append(move);
    await this.#interest.heard;
  }

  #hear(entry: Entry, own: (() => LogMessage) | undefined): void {
    const message = own ? own() : readLogMessage(entry.body);
    if (message) this.#deliver(message, entry.id, entry.id);
    else this.#needs.samples.refused.shape++;
  }

  /** Carries out a message on this node. `id` is its entry's, if it has one. */
  #deliver(message: LogMessage, offset: string, id?: EntryId): void {
    // Whatever names a room, one of this node may be addressed by.
    const to = message.to as BroadcastOptions & Address;
    // Recovery asks which moves the session of a client that comes back has had already.
    if (message.do !== "emit" && id !== undefined) this.#ids.set(to, id);
    try {
      if (message.do === "emit") super.broadcast(this.#packetOf(message, offset, id), to);
      else if (message.do === "patch") this.#patch(message);
      else if (message.do === "join") {
        super.addSockets(to, message.rooms as Room[]);
        if (id !== undefined) this.#interest.joined(message.rooms);
      } else if (message.do === "leave") super.delSockets(to, message.rooms as Room[]);
      else super.disconnectSockets(to, message.close ?? false);
    } catch (error) {
      // Nobody could catch it: Socket.IO looks at no promise.
      this.#needs.failed(error);
    }
  }

  #patch(patch: StatePatch): void {
    patchSocket(this.nsp, patch);
    this.#recover?.patch(patch);
  }

  #packetOf(message: Broadcast, offset: string, entry: EntryId | undefined): Packet {
    const { id } = message;
    const isMarked = this.#recover !== undefined && id === undefined;
    // A copy, because dynamic namespaces of one parent share packets, but not offsets. On every
    // event, or its client would take the text that comes last for one.
    const data = isMarked ? [...message.data, offset] : message.data;
    if (entry !== undefined && this.#recover) this.#ids.set(data, entry);
    return { type: EVENT, data, ...(id !== undefined && { id }) };
  }

  #told(from: string, body: Uint8Array): void {
    const isOwn = from === this.#needs.bus.node;
    const told = readTold(body);
    if (!told) this.#needs.samples.refused.shape++;
    else if (told.do === "answer") this.#requests.answered(from, told.request, told.answer);
    else if (told.do === "fetch") void this.#fetch(told, isOwn ? undefined : from);
    else if (told.do === "serverEmit") {
      if (!isOwn) this.#serverEmit(told, from);
    } else if (told.do === "count") {
      if (!isOwn) this.#answer(from, told.request, countIn(this.rooms, told.rooms));
    } else if (isOwn) this.#requests.answered(from, told.request, { value: undefined });
    else {
      const { to, data, request } = told;
      super.broadcastWithAck(
        { type: EVENT, data },
        to as BroadcastOptions & Address, // as above
        (count) => this.#answer(from, request, { count }),
        (value: unknown) => this.#answer(from, request, { value }),
      );
    }
  }

  async #fetch(told: Told & { do: "fetch" }, to: string | undefined): Promise<void> {
    const sockets = await super.fetchSockets(told.to as BroadcastOptions & Address); // as above
    if (to === undefined) {
      this.#requests.answered(this.#needs.bus.node, told.request, { sockets });
      return;
    }
    this.#answer(to, told.request, { sockets: sockets.map(showSocket) });
  }

  #serverEmit({ data, request }: Told & { do: "serverEmit" }, from: string): void {
    if (request === undefined) {
      emitServerSide(this.nsp, data);
      return;
    }
    let answered = false;
    const ack = (value: unknown) => {
      if (answered) return;
      answered = true;
      this.#answer(from, request, { value });
    };
    emitServerSide(this.nsp, [...data, ack]);
  }

  #answer(to: string, request: number, answer: Answer): void {
    const channel = nodeChannel(to);
    const say = (it: Answer) => this.#tell(channel, { do: "answer", request, answer: it });
    say(answer).catch((error) => {
      this.#needs.failed(error);
      say(withoutUnfit(answer)).catch(() => {});
    });
  }

  // What cannot be written rejects, too.
  async #tell(channel: string, told: Told): Promise<void> {
    await this.#log.tell(channel, writeTold(told));
  }

  #lost(): void {
    this.#gaps++;
    const all = [...this.sids.keys()].map((id) => findSocket(this.nsp, id));
    const there = all.filter((socket) => socket !== undefined);
    this.#needs.lost(this.nsp.name, there);
  }
}
