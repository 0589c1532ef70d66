import { bytesOf, type CodecName, type Frame, type Frames, type Packet } from "../core/packet.ts";
import type { BroadcastOptions } from "../seam/socket-io-adapter.ts";
import type { Audience, Member, Peer, Topics } from "./audience.ts";
import type { Shared } from "./members.ts";
import { type Broadcast, isInTopics, planRoom, planTopics, type Step } from "./plan.ts";
import { listRecipients, type RecipientSets, readRecipients } from "./recipients.ts";

/** Delivers a packet to the members of an audience. */
export type Deliver = (audience: Audience, packet: Packet, to: BroadcastOptions) => void;

/**
 * Returns the function that delivers every broadcast.
 *
 * It reaches exactly the sockets that Socket.IO's in-memory adapter would reach, each once.
 * Subscribed members get the packet through topics, at a cost per excluded member. All others, and
 * a socket addressed by its own room, get it packet by packet. A packet without recipients is not
 * encoded.
 */
export function createDeliver(shared: Shared): Deliver {
  return function deliver(audience, packet, to) {
    const { nsp } = audience.adapter;
    packet.nsp = nsp.name;
    const [frames] = nsp.server.encoder.encode(packet);
    const steps = planRoom(audience, frames, to);
    if (steps) {
      shared.samples.deliveries += publishSteps(shared, steps, frames);
      lookAtSubscribers(shared, audience, steps);
      return;
    }
    let broadcast = plan(shared, audience, frames, to);
    // Listeners run after encoding, so their changes to the arguments reach no recipient. They can
    // change the members too, so the plan is made again.
    if (broadcast && shared.listeners.tell(broadcast, packet)) {
      broadcast = plan(shared, audience, frames, to);
    }
    if (!broadcast) return;
    const { single } = broadcast;
    shared.samples.deliveries += publishSteps(shared, broadcast.steps, frames);
    shared.listeners.created(broadcast);
    lookAtSubscribers(shared, audience, broadcast.steps);
    if (single.length > 0) shared.samples.deliveries += sendEach(broadcast, to.flags ?? {});
  };
}

/**
 * Decides how each recipient is served, before anything is sent. Undefined if nobody is addressed.
 *
 * Sending to single members runs code of others, and checking unsent bytes takes members out of
 * topics. If this were decided while sending, a member that changes sides would be served twice.
 * Encoding runs code of others too (`toJSON`): if that changes the members, the plan is made again.
 * Each codec encodes at most once, so the loop ends.
 */
// biome-ignore lint/complexity/useMaxParams: an object would be an allocation per broadcast.
function plan(
  { unions }: Shared,
  audience: Audience,
  frames: Frames,
  to: BroadcastOptions,
): Broadcast | undefined {
  for (;;) {
    const recipients = readRecipients(audience.adapter, to);
    if (!recipients) return undefined;
    const single = listSingle(audience, recipients);
    const broadcast: Broadcast = { audience, recipients, frames, steps: [], single };
    planTopics(broadcast, unions);
    const { changes } = audience;
    encodePlanned(broadcast);
    if (audience.changes === changes) return broadcast;
  }
}

/** Lists the recipients that no topic serves: slow ones, and those addressed by their own room. */
function listSingle({ adapter, members, slow }: Audience, recipients: RecipientSets): Member[] {
  const single = listRecipients(adapter, recipients, { some: slow, all: members });
  for (const room of recipients.rooms) {
    const id = room as string; // a room that isn't a string is never a key of the map
    const owner = members.get(id);
    if (!owner?.codec || !recipients.has(id) || isInTopics(recipients, id)) continue;
    if (!recipients.isExcluded(id)) single.push(owner);
  }
  return single;
}

function sendEach(
  { audience, recipients, frames, single }: Broadcast,
  flags: NonNullable<BroadcastOptions["flags"]>,
): number {
  const options = { preEncoded: true, volatile: flags.volatile, compress: flags.compress };
  const packets: [Frames] = [frames];
  let served = 0;
  for (const member of single) {
    const { id, conn, client } = member.socket;
    // Sending to an earlier member may have run code that made this one leave.
    if (audience.members.get(id) !== member) continue;
    if (!recipients.has(id) || recipients.isExcluded(id)) continue;
    if (conn.readyState !== "open" || !conn.accepts) continue;
    const lost = flags.volatile && !conn.transport.writable;
    client.writeToEngine(packets, options);
    if (!lost) served++;
  }
  return served;
}

/** A packet's Engine.IO messages in one codec. `bytes` leaves out Engine.IO's type prefix. */
interface Wire {
  readonly frames: readonly Frame[];
  readonly bytes: number;
}

/**
 * Encodes in every codec that the plan shared, before anything is published. So arguments that a
 * codec can't encode throw before any recipient has got them.
 */
function encodePlanned({ audience, steps, single, frames }: Broadcast): void {
  // Listeners get the packet before it is sent. "keep" makes sure that their changes are not sent.
  const encode = audience.listening.size > 0 ? "keep" : "of";
  for (const { codec } of steps) frames[encode](codec);
  for (const { socket } of single) frames[encode](socket.conn.codec);
}

/** Publishes to the planned topics. Returns the number of recipients. */
function publishSteps(shared: Shared, steps: readonly Step[], frames: Frames): number {
  const wires: { [C in CodecName]?: Wire } = {};
  for (const { codec } of steps) wires[codec] ??= readWire(frames, codec);
  let served = 0;
  for (const step of steps) {
    const wire = wires[step.codec];
    if (!wire) continue;
    publish(shared.topics, step, wire.frames);
    const recipients = step.topic.subscribed - step.out.length;
    served += recipients;
    shared.samples.framesOut += recipients * wire.frames.length;
    shared.samples.bytesOut += recipients * wire.bytes;
    step.topic.unlooked += wire.bytes;
  }
  return served;
}

function readWire(packet: Frames, codec: CodecName): Wire {
  let bytes = 0;
  const frames: Frame[] = [];
  for (const frame of packet.of(codec)) {
    // Engine.IO 4 puts the packet type before a text message; a binary message has no prefix.
    const isText = typeof frame === "string";
    const wire = isText ? `4${frame}` : frame;
    frames.push(wire);
    // Measured with its prefix, so that V8 joins the parts of the text once, not again to send it.
    bytes += isText ? bytesOf(wire) - 1 : frame.length;
  }
  return { frames, bytes };
}

/**
 * Publishes to a topic's subscribers, `out` excluded. A WebSocket's own publish excludes itself, so
 * the first of `out` publishes and only the others have to leave the topic meanwhile.
 */
function publish(topics: Topics, { topic, out }: Step, frames: readonly Frame[]): void {
  const sender: Peer | undefined = out[0]?.socket.conn;
  for (let i = 1; i < out.length; i++) out[i]?.socket.conn.unsubscribe(topic.name);
  try {
    for (const frame of frames) {
      if (sender) sender.publish(topic, frame);
      else topics.publish(topic, frame);
    }
  } finally {
    for (let i = 1; i < out.length; i++) out[i]?.socket.conn.subscribe(topic.name);
  }
}

/** Checks the subscribers of topics that got more than `lookBytes` since the last check. */
function lookAtSubscribers(shared: Shared, audience: Audience, steps: readonly Step[]): void {
  for (const { topic, codec, ids } of steps) {
    if (topic.unlooked < shared.lookBytes) continue;
    topic.unlooked = 0;
    // Of what is not handed on yet no bytes are unsent.
    shared.topics.afterwards(() => {
      for (const id of ids) {
        const member = audience.members.get(id);
        if (member?.codec === codec) member.socket.conn.look();
      }
    });
  }
}
