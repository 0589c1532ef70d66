import type { Packet } from "../core/packet.ts";
import { takeAckId } from "../seam/socket-io.ts";
import type { BroadcastOptions } from "../seam/socket-io-adapter.ts";
import type { SocketInside } from "./adapter.ts";
import type { Audience } from "./audience.ts";
import type { Deliver } from "./deliver.ts";
import { eachRecipient, readRecipients } from "./recipients.ts";
import type { FanoutSamples } from "./samples.ts";

type Ack = (...given: unknown[]) => void;

/** A broadcast with acknowledgement, as socket.io-adapter asks for it. */
interface AckedBroadcast {
  readonly to: BroadcastOptions;
  counted(recipients: number): void;
  readonly ack: Ack;
}

/** Delivers a packet and waits for an ack from each recipient. */
export type DeliverWithAck = (audience: Audience, packet: Packet, asked: AckedBroadcast) => void;

/** Timeout for a broadcast that sets none. Socket.IO's own callers always set one. */
const TIMEOUT_MS = 60_000;

/**
 * Returns the function that delivers broadcasts with acknowledgement.
 *
 * It calls `counted` once with the number of acks it waits for, and `ack` with each one. Every node
 * forgets its pending acks after the broadcast's timeout. A broadcast that would exceed
 * `acksPendingMax` is refused: nothing is sent, `counted` is not called, and the caller learns of
 * it by its own timeout. Throwing instead would break the handler, or the cluster's message
 * handling.
 */
export function createDeliverWithAck(
  settings: { readonly acksPendingMax: number },
  { samples, deliver }: { readonly samples: FanoutSamples; readonly deliver: Deliver },
): DeliverWithAck {
  return (audience, packet, { to, counted, ack }) => {
    const { adapter } = audience;
    const sockets: SocketInside[] = [];
    const recipients = readRecipients(adapter, to);
    if (recipients) {
      eachRecipient(adapter, recipients, (id) => {
        const member = audience.members.get(id);
        if (member) sockets.push(member.socket);
      });
    }
    if (samples.acksPending + sockets.length > settings.acksPendingMax) {
      samples.acksRefused++;
      return;
    }
    const id = takeAckId(adapter.nsp);
    packet.id = id;
    // Deliver first: a packet that can't be encoded throws before any ack is pending. Acks arrive
    // in a later turn of the event loop, so none is missed.
    deliver(audience, packet, to);
    if (sockets.length > 0) awaitAnswers(samples, sockets, { id, ack, to });
    counted(sockets.length);
  };
}

function awaitAnswers(
  samples: FanoutSamples,
  sockets: readonly SocketInside[],
  { id, ack, to }: { id: number; ack: Ack; to: BroadcastOptions },
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
  const onAnswer: Ack = (...given) => {
    if (missing > 0) {
      missing--;
      samples.acksPending--;
      if (missing === 0) clearTimeout(timer);
    }
    ack(...given);
  };
  for (const socket of sockets) socket.acks.set(id, onAnswer);
}
