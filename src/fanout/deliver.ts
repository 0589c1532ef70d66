import type { Frames, Packet } from "../core/packet.ts";
import type { BroadcastFlags, Recipients } from "./adapter.ts";
import type { Audience, Member } from "./audience.ts";
import { type Crowd, readCrowd } from "./crowd.ts";
import type { Listeners } from "./listeners.ts";
import { type Broadcast, isInTopics, type PublishNeeds, publishToCrowd } from "./publish.ts";

/** What delivering needs. */
export interface DeliverNeeds extends PublishNeeds {
  readonly listeners: Pick<Listeners, "tell" | "created">;
}

/** Delivers a packet to the members of an audience. */
export type Deliver = (audience: Audience, packet: Packet, to: Recipients) => void;

/**
 * Returns the one function through which every broadcast goes.
 *
 * It reaches exactly the sockets that Socket.IO's in-memory adapter would, once each: subscribed
 * members through topics, at the cost of the excluded ones; all others, and a socket addressed by
 * its own room, packet by packet. Nothing is encoded that has no recipient.
 */
export function createDeliver(needs: DeliverNeeds): Deliver {
  return function deliver(audience, packet, to) {
    const { nsp } = audience.adapter;
    packet.nsp = nsp.name;
    const crowd = readCrowd(audience.adapter, to);
    if (!crowd) return;
    const [frames] = nsp.server.encoder.encode(packet);
    needs.listeners.tell(audience, crowd, packet, frames);
    // Sending one by one runs code of others, and a look takes members out of topics: who is served
    // how is settled before either, or whoever changes sides meanwhile would be served twice.
    const single = listSingle(audience, crowd);
    const broadcast: Broadcast = { audience, crowd, frames, wires: {}, single, due: [] };
    needs.samples.deliveries += publishToCrowd(needs, broadcast);
    needs.listeners.created(broadcast);
    look(broadcast);
    if (single.length > 0) needs.samples.deliveries += sendEach(broadcast, to.flags ?? {});
  };
}

/** Lists the members that no topic serves: slow ones, and those addressed by their own room. */
function listSingle(audience: Audience, crowd: Crowd): Member[] {
  const { members, slow } = audience;
  const single: Member[] = [];
  const [only] = crowd.sets;
  if (only && crowd.sets.length === 1 && only.size < slow.size) {
    for (const id of only) {
      const member = members.get(id);
      if (member && !member.codec) single.push(member);
    }
  } else {
    for (const member of slow) if (crowd.has(member.socket.id)) single.push(member);
  }
  for (const room of crowd.rooms) {
    const owner = members.get(room as string); // a room that isn't a text is no key of this map
    if (owner?.codec && crowd.has(owner.socket.id) && !isInTopics(crowd, owner.socket.id)) {
      single.push(owner);
    }
  }
  return single;
}

function look({ audience, due }: Broadcast): void {
  for (const { ids, codec } of due) {
    for (const id of ids) {
      const member = audience.members.get(id);
      if (member?.codec === codec) member.socket.conn.look();
    }
  }
}

function sendEach({ audience, crowd, frames, single }: Broadcast, flags: BroadcastFlags): number {
  const options = { preEncoded: true, volatile: flags.volatile, compress: flags.compress };
  const packets: [Frames] = [frames];
  let served = 0;
  for (const member of single) {
    const { id, conn, client } = member.socket;
    // Sending to the one before may have run code that made this one leave.
    if (audience.members.get(id) !== member || !crowd.has(id) || crowd.isExcluded(id)) continue;
    if (conn.readyState !== "open") continue;
    const lost = flags.volatile && !conn.transport.writable;
    client.writeToEngine(packets, options);
    if (!lost) served++;
  }
  return served;
}
