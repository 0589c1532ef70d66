import type { Frames, Packet } from "../core/packet.ts";
import type { BroadcastFlags, Recipients } from "./adapter.ts";
import type { Audience, Member, Unions } from "./audience.ts";
import { type Crowd, listRecipients, readCrowd } from "./crowd.ts";
import type { Listeners } from "./listeners.ts";
import { type Broadcast, isInTopics, planTopics } from "./plan.ts";
import { encodePlanned, lookAtSubscribers, type PublishNeeds, publishSteps } from "./publish.ts";

/** What delivering needs. */
export interface DeliverNeeds extends PublishNeeds {
  readonly listeners: Pick<Listeners, "tell" | "created">;
  readonly unions: Pick<Unions, "find" | "spent">;
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
    const [frames] = nsp.server.encoder.encode(packet);
    let broadcast = plan(needs, audience, frames, to);
    // Listeners run after encoding: what they do to the arguments reaches nobody. What they do to
    // the members makes for another plan.
    if (broadcast && needs.listeners.tell(broadcast, packet)) {
      broadcast = plan(needs, audience, frames, to);
    }
    if (!broadcast) return;
    const { single } = broadcast;
    needs.samples.deliveries += publishSteps(needs, broadcast);
    needs.listeners.created(broadcast);
    lookAtSubscribers(needs, broadcast);
    if (single.length > 0) needs.samples.deliveries += sendEach(broadcast, to.flags ?? {});
  };
}

/**
 * Settles who is served how, before anything is sent; undefined when nobody is meant.
 *
 * Sending one by one runs code of others, and a look takes members out of topics: whoever changed
 * sides meanwhile would be served twice. A toJSON of the arguments is such code too, and what it
 * has done to the members makes for another plan; each codec encodes once, so that soon ends.
 */
function plan(
  { unions }: DeliverNeeds,
  audience: Audience,
  frames: Frames,
  to: Recipients,
): Broadcast | undefined {
  for (;;) {
    const crowd = readCrowd(audience.adapter, to);
    if (!crowd) return undefined;
    const single = listSingle(audience, crowd);
    const broadcast: Broadcast = { audience, crowd, frames, steps: [], single };
    planTopics(broadcast, unions);
    const { changes } = audience;
    encodePlanned(broadcast);
    if (audience.changes === changes) return broadcast;
  }
}

/** Lists the members that no topic serves: slow ones, and those addressed by their own room. */
function listSingle({ adapter, members, slow }: Audience, crowd: Crowd): Member[] {
  const single = listRecipients(adapter, crowd, { some: slow, all: members });
  for (const room of crowd.rooms) {
    const id = room as string; // a room that isn't a text is no key of the map
    const owner = members.get(id);
    if (!owner?.codec || !crowd.has(id) || isInTopics(crowd, id)) continue;
    if (!crowd.isExcluded(id)) single.push(owner);
  }
  return single;
}

function sendEach({ audience, crowd, frames, single }: Broadcast, flags: BroadcastFlags): number {
  const options = { preEncoded: true, volatile: flags.volatile, compress: flags.compress };
  const packets: [Frames] = [frames];
  let served = 0;
  for (const member of single) {
    const { id, conn, client } = member.socket;
    // Sending to the one before may have run code that made this one leave.
    if (audience.members.get(id) !== member || !crowd.has(id) || crowd.isExcluded(id)) continue;
    if (conn.readyState !== "open" || !conn.accepts) continue;
    const lost = flags.volatile && !conn.transport.writable;
    client.writeToEngine(packets, options);
    if (!lost) served++;
  }
  return served;
}
