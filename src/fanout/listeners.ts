import { Socket } from "socket.io";
import type { Packet } from "../core/packet.ts";
import type { EngineConnection, SocketInside } from "./adapter.ts";
import type { Audience, Member } from "./audience.ts";
import { type Crowd, listRecipients } from "./crowd.ts";
import { type Broadcast, isInTopics } from "./plan.ts";

type Listener = (...given: unknown[]) => void;
type Listen = (this: SocketInside, listener: Listener) => SocketInside;

// The declarations of these two methods are generic in the server's events; the shape is the same.
const proto = Socket.prototype as unknown as Record<"onAnyOutgoing" | "prependAnyOutgoing", Listen>;

/** Calls those who listen to what broadcasts send, and costs the others nothing. */
export interface Listeners {
  /** Watches a new member for listeners; `first` is whether its connection had no member yet. */
  entered(member: Member, first: boolean): void;
  /** `last` is whether its connection has no member any more. */
  left(member: Member, last: boolean): void;
  /**
   * Calls the `onAnyOutgoing` listeners of recipients, after the packet is encoded for them and
   * before anything is sent. Returns whether there were any.
   */
  tell(broadcast: Broadcast, packet: Packet): boolean;
  /** Emits `packetCreate` on the connections that topics have just served. */
  created(broadcast: Broadcast): void;
}

/** Returns the listeners of one fan-out. `membersOf` lists the memberships of a connection. */
export function createListeners(membersOf: (conn: unknown) => Iterable<Member>): Listeners {
  function hear(conn: unknown): void {
    for (const member of membersOf(conn)) member.audience.listening.add(member);
  }

  // One function each for all sockets and connections: they know theirs by `this`.
  function newListener(this: unknown, event: string | symbol): void {
    if (event === "packetCreate") hear(this);
  }
  const listen = (method: keyof typeof proto): Listen => {
    const original = proto[method];
    return function (listener) {
      hear(this.conn);
      return original.call(this, listener);
    };
  };
  const onAnyOutgoing = listen("onAnyOutgoing");
  const prependAnyOutgoing = listen("prependAnyOutgoing");

  return {
    entered(member, first) {
      const { socket } = member;
      if (first) socket.conn.on("newListener", newListener);
      Object.assign(socket, { onAnyOutgoing, prependAnyOutgoing });
      if (isHeard(socket.conn) || socket.listenersAnyOutgoing().length > 0) {
        member.audience.listening.add(member);
      }
    },
    left(member, last) {
      member.audience.listening.delete(member);
      if (last) member.socket.conn.off("newListener", newListener);
    },
    tell({ audience, crowd }, packet) {
      let told = false;
      if (audience.listening.size === 0) return told;
      for (const member of listHeard(audience, crowd)) {
        const { socket } = member;
        const count = socket.listenersAnyOutgoing().length;
        if (count === 0 && !isHeard(socket.conn)) audience.listening.delete(member);
        if (count === 0) continue;
        socket.notifyOutgoingListeners(packet);
        told = true;
      }
      return told;
    },
    created({ audience, crowd, frames, single }) {
      if (audience.listening.size === 0) return;
      for (const member of listHeard(audience, crowd)) {
        const { conn, id } = member.socket;
        // Who is sent to one by one gets it from Engine.IO itself.
        if (!member.codec || !isHeard(conn)) continue;
        if (!isInTopics(crowd, id) || single.includes(member)) continue;
        for (const data of frames.of(member.codec)) {
          conn.emit("packetCreate", { type: "message", data, options: { compress: true } });
        }
      }
    },
  };
}

function isHeard(conn: EngineConnection): boolean {
  return conn.listenerCount("packetCreate") > 0;
}

function listHeard({ adapter, members, listening }: Audience, crowd: Crowd): Member[] {
  return listRecipients(adapter, crowd, { some: listening, all: members });
}
