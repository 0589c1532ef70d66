import type { Packet } from "../core/packet.ts";
import type { EngineSocketBase } from "../seam/engine-io.ts";
import { replaceOutgoing, socketMethods } from "../seam/socket-io.ts";
import type { Call } from "../seam/socket-io-inside.ts";
import type { Audience, Member, SocketInside } from "./audience.ts";
import { type Broadcast, isInTopics } from "./plan.ts";
import { listRecipients, type RecipientSets } from "./recipients.ts";

type Listen = (this: SocketInside, listener: Call) => unknown;

/**
 * Calls the listeners for outgoing packets. Members without listeners cost nothing per broadcast.
 */
export interface Listeners {
  /** Watches a new member for listeners. */
  entered(member: Member): void;
  /** Stops watching a member. */
  left(member: Member): void;
  /** Call when a listener for `packetCreate` is added to a connection. */
  hear(conn: unknown): void;
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

  // Shared by all sockets, which they get as `this`: no closure per socket.
  const listen = (method: "onAnyOutgoing" | "prependAnyOutgoing"): Listen => {
    const original = socketMethods[method];
    return function (listener) {
      hear(this.conn);
      return original.call(this, listener);
    };
  };
  const outgoing = {
    onAnyOutgoing: listen("onAnyOutgoing"),
    prependAnyOutgoing: listen("prependAnyOutgoing"),
  };

  return {
    hear,
    entered(member) {
      const { socket } = member;
      replaceOutgoing(socket, outgoing);
      if (isHeard(socket.conn) || socket.listenersAnyOutgoing().length > 0) {
        member.audience.listening.add(member);
      }
    },
    left(member) {
      member.audience.listening.delete(member);
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
