import type { Packet } from "../core/packet.ts";
import type { EngineSocketBase } from "../seam/engine-io.ts";
import { socketMethods } from "../seam/socket-io.ts";
import type { Call } from "../seam/socket-io-inside.ts";
import type { Audience, Member, SocketInside } from "./audience.ts";
import { type Broadcast, isInTopics } from "./plan.ts";
import { listRecipients, type RecipientSets } from "./recipients.ts";

type Listen = (this: SocketInside, listener: Call) => unknown;

/**
 * Calls the listeners for outgoing packets. Members without listeners cost nothing per broadcast.
 */
export interface Listeners {
  /** Watches a new member for listeners. `first`: it is the first member of its connection. */
  entered(member: Member, first: boolean): void;
  /** Stops watching a member. `last`: its connection has no other member. */
  left(member: Member, last: boolean): void;
  /**
   * Calls the `onAnyOutgoing` listeners of the recipients. The packet must be encoded by then, and
   * not sent yet. Returns whether there were any.
   */
  tell(broadcast: Broadcast, packet: Packet): boolean;
  /** Emits `packetCreate` on the connections that just got the packet through a topic. */
  created(broadcast: Broadcast): void;
}

/** Returns the listeners of one fan-out. `membersOf` lists the members of a connection. */
export function createListeners(membersOf: (conn: unknown) => Iterable<Member>): Listeners {
  function hear(conn: unknown): void {
    for (const member of membersOf(conn)) member.audience.listening.add(member);
  }

  // Shared by all sockets and connections, which they get as `this`: no closure per socket.
  function newListener(this: unknown, event: string | symbol): void {
    if (event === "packetCreate") hear(this);
  }
  const listen = (method: "onAnyOutgoing" | "prependAnyOutgoing"): Listen => {
    const original = socketMethods[method];
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
    tell({ audience, recipients }, packet) {
      let told = false;
      if (audience.listening.size === 0) return told;
      for (const member of listHeard(audience, recipients)) {
        const { socket } = member;
        const count = socket.listenersAnyOutgoing().length;
        if (count === 0 && !isHeard(socket.conn)) audience.listening.delete(member);
        if (count === 0) continue;
        socket.notifyOutgoingListeners(packet);
        told = true;
      }
      return told;
    },
    created({ audience, recipients, frames, single }) {
      if (audience.listening.size === 0) return;
      for (const member of listHeard(audience, recipients)) {
        const { conn, id } = member.socket;
        // Engine.IO itself emits it for members that are served packet by packet.
        if (!member.codec || !isHeard(conn)) continue;
        if (!isInTopics(recipients, id) || single.includes(member)) continue;
        for (const data of frames.of(member.codec)) {
          conn.emit("packetCreate", { type: "message", data, options: { compress: true } });
        }
      }
    },
  };
}

function isHeard(conn: EngineSocketBase): boolean {
  return conn.listenerCount("packetCreate") > 0;
}

function listHeard({ adapter, members, listening }: Audience, recipients: RecipientSets): Member[] {
  return listRecipients(adapter, recipients, { some: listening, all: members });
}
