import type { Packet } from "../core/packet.ts";
import type { Recipients, SocketInside } from "./adapter.ts";
import type { Audience } from "./audience.ts";
import { eachRecipient, readCrowd } from "./crowd.ts";
import type { Deliver } from "./deliver.ts";
import type { FanoutSamples } from "./samples.ts";

type Ack = (...given: unknown[]) => void;

/** Delivers a packet and awaits an answer from each recipient. */
export type DeliverWithAck = (
  audience: Audience,
  packet: Packet,
  to: Recipients,
  counted: (recipients: number) => void,
  ack: Ack,
) => void;

/** Longest wait for answers that a caller without a timeout gets; Socket.IO's callers name one. */
const TIMEOUT_MS = 60_000;

/**
 * Returns the delivery of broadcasts that want an answer from every recipient.
 *
 * `counted` hears once how many answers are awaited, `ack` each answer. What is awaited is
 * forgotten with the broadcast's timeout, on whichever node it is awaited. More than
 * `acksPendingMax` at once are refused: nothing is sent and nothing counted, so the caller's
 * timeout tells it, because throwing out of a handler or a cluster's message would cost more than
 * the broadcast.
 */
export function createDeliverWithAck(
  settings: { readonly acksPendingMax: number },
  needs: { readonly samples: FanoutSamples; readonly deliver: Deliver },
): DeliverWithAck {
  const { samples } = needs;

  return (audience, packet, to, counted, ack) => {
    const { adapter } = audience;
    const sockets: SocketInside[] = [];
    const crowd = readCrowd(adapter, to);
    if (crowd) {
      eachRecipient(adapter, crowd, (id) => {
        const member = audience.members.get(id);
        if (member) sockets.push(member.socket);
      });
    }
    if (samples.acksPending + sockets.length > settings.acksPendingMax) {
      samples.acksRefused++;
      return;
    }
    const id = adapter.nsp._ids++;
    packet.id = id;
    // Answers come in a later turn; what can't be encoded throws before anything is awaited.
    needs.deliver(audience, packet, to);
    if (sockets.length > 0) awaitAnswers(samples, sockets, { id, ack, to });
    counted(sockets.length);
  };
}

function awaitAnswers(
  samples: FanoutSamples,
  sockets: readonly SocketInside[],
  { id, ack, to }: { id: number; ack: Ack; to: Recipients },
): void {
  let missing = sockets.length;
  samples.acksPending += missing;
  const timer = setTimeout(() => {
    samples.acksPending -= missing;
    samples.acksMissed += missing;
    missing = 0;
    for (const socket of sockets) socket.acks.delete(id);
  }, to.flags?.timeout ?? TIMEOUT_MS);
  timer.unref();
  const answered: Ack = (...given) => {
    if (missing > 0) {
      missing--;
      samples.acksPending--;
      if (missing === 0) clearTimeout(timer);
    }
    ack(...given);
  };
  for (const socket of sockets) socket.acks.set(id, answered);
}
