import { bytesOf, type CodecName, type Frame, type Frames } from "../core/packet.ts";
import type { Peer, Topics } from "./peer.ts";
import type { Broadcast, Step } from "./plan.ts";
import type { FanoutSamples } from "./samples.ts";

/** What publishing needs. */
export interface PublishNeeds {
  readonly topics: Topics;
  readonly samples: FanoutSamples;
  /** Bytes published to a topic after which its subscribers' unsent bytes are looked at. */
  readonly lookBytes: number;
}

/** A packet's Engine.IO messages in one codec, and their bytes without Engine.IO's own. */
interface Wire {
  readonly frames: readonly Frame[];
  readonly bytes: number;
}

/**
 * Encodes for all who are planned for, before anything is published: arguments that a codec can't
 * encode throw before anyone has got them.
 */
export function encodePlanned({ audience, steps, single, frames }: Broadcast): void {
  // Listeners hear of the packet before it is sent, and what they do to it must reach nobody.
  const encode = audience.listening.size > 0 ? "keep" : "of";
  for (const { codec } of steps) frames[encode](codec);
  for (const { socket } of single) frames[encode](socket.conn.codec);
}

/** Publishes what is planned and encoded, and returns how many recipients that is. */
export function publishSteps(needs: PublishNeeds, { steps, frames }: Broadcast): number {
  const wires: { [C in CodecName]?: Wire } = {};
  for (const { codec } of steps) wires[codec] ??= readWire(frames, codec);
  let served = 0;
  for (const step of steps) {
    const wire = wires[step.codec];
    if (!wire) continue;
    publish(needs.topics, step, wire.frames);
    const recipients = step.topic.subscribed - step.out.length;
    served += recipients;
    needs.samples.framesOut += recipients * wire.frames.length;
    needs.samples.bytesOut += recipients * wire.bytes;
    step.topic.unlooked += wire.bytes;
  }
  return served;
}

function readWire(packet: Frames, codec: CodecName): Wire {
  let bytes = 0;
  const frames = packet.of(codec).map((frame) => {
    bytes += bytesOf(frame);
    // Engine.IO 4 marks a text message with its type; a binary one goes as it is.
    return typeof frame === "string" ? `4${frame}` : frame;
  });
  return { frames, bytes };
}

/** Publishes to a topic's subscribers but some: uWebSockets.js itself leaves one of those out. */
function publish(topics: Topics, { topic, out }: Step, frames: readonly Frame[]): void {
  const sender: Peer | undefined = out[0]?.socket.conn;
  for (let i = 1; i < out.length; i++) out[i]?.socket.conn.unsubscribe(topic.name);
  try {
    for (const frame of frames) {
      if (sender) sender.publish(topic.name, frame);
      else topics.publish(topic.name, frame);
    }
  } finally {
    for (let i = 1; i < out.length; i++) out[i]?.socket.conn.subscribe(topic.name);
  }
}

/** Looks at the subscribers of topics that much has been published to since the last look. */
export function lookAtSubscribers(needs: PublishNeeds, { audience, steps }: Broadcast): void {
  for (const { topic, codec, ids } of steps) {
    if (topic.unlooked < needs.lookBytes) continue;
    topic.unlooked = 0;
    for (const id of ids) {
      const member = audience.members.get(id);
      if (member?.codec === codec) member.socket.conn.look();
    }
  }
}
