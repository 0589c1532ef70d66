import { Socket } from "socket.io";
import type { Done } from "../core/command.ts";
import type { Packet } from "../core/packet.ts";
import { dropAck, nextAckId, takeAckId } from "../seam/socket-io.ts";
import type { BroadcastOptions } from "../seam/socket-io-adapter.ts";
import type { Audience, SocketInside } from "./audience.ts";
import type { Deliver } from "./deliver.ts";
import { eachRecipient, readRecipients } from "./recipients.ts";
import type { FanoutSamples } from "./samples.ts";
import type { AnySocket } from "./search.ts";

type Ack = (...given: unknown[]) => void;

/** Delivers a packet and waits for an ack from each recipient. */
export type DeliverWithAck = (
  audience: Audience,
  packet: Packet,
  asked: { readonly to: BroadcastOptions; counted(recipients: number): void; readonly ack: Ack },
) => void;

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

/** The acks of an `emitWithAck` command. */
type Acks = Required<Pick<Done, "answers" | "timedOut">>;
type Leave = (socket: Socket) => void;

/**
 * Emits to each socket and waits for its ack, but no longer for sockets that leave. Calls `over`
 * once for each socket when it no longer waits for it. Rejects if the event cannot be sent, and
 * then waits for none.
 */
export function emitEach(
  sockets: readonly AnySocket[],
  emit: { readonly event: string; readonly args: readonly unknown[]; readonly timeoutMs: number },
  over: (how: "answered" | "missed") => void,
): Promise<Acks> {
  const { event, args, timeoutMs } = emit;
  const tally = createTally(sockets.length, over);
  // One timer for all local sockets of the command. Pending acks are bounded by number, not by
  // bytes, so each must be small.
  const waiting = new Map<Socket, number>();
  const timer = setTimeout(() => {
    for (const socket of waiting.keys()) miss(socket);
  }, timeoutMs);
  const result = tally.result.finally(() => clearTimeout(timer));

  function forget(socket: Socket): void {
    const ackId = waiting.get(socket);
    if (ackId !== undefined) dropAck(socket, ackId);
    waiting.delete(socket);
    leaveHooksOf(socket).delete(miss);
  }
  function miss(socket: Socket): void {
    forget(socket);
    tally.missed(socket.id);
  }
  function emitLocal(socket: Socket): void {
    waiting.set(socket, nextAckId(socket.nsp));
    leaveHooksOf(socket).add(miss);
    socket.emit(event, ...args, (answer: unknown) => {
      forget(socket);
      tally.answered(socket.id, answer);
    });
    if (!socket.connected && waiting.has(socket)) miss(socket);
  }
  function emitRemote(socket: Exclude<AnySocket, Socket>): void {
    socket.timeout(timeoutMs).emit(event, ...args, (late: unknown, answer: unknown) => {
      if (late) tally.missed(socket.id);
      else tally.answered(socket.id, answer);
    });
  }
  try {
    for (const socket of sockets) {
      if (socket instanceof Socket) emitLocal(socket);
      else emitRemote(socket);
    }
  } catch (error) {
    for (const socket of waiting.keys()) forget(socket);
    tally.fail(error);
  }
  return result;
}

/** What is called when a socket leaves: one listener, however many commands wait for it. */
const leaving = new WeakMap<Socket, Set<Leave>>();

function leaveHooksOf(socket: Socket): Set<Leave> {
  const known = leaving.get(socket);
  if (known) return known;
  const all = new Set<Leave>();
  leaving.set(socket, all);
  socket.once("disconnect", () => {
    for (const leave of all) leave(socket);
  });
  return all;
}

/** Collects acks until every socket has answered or is no longer waited for. */
function createTally(count: number, over: (how: "answered" | "missed") => void) {
  const answers: { id: string; answer: unknown }[] = [];
  const timedOut: string[] = [];
  let missing = count;
  let end: (failed?: { readonly error: unknown }) => void = () => {};
  const result = new Promise<Acks>((resolve, reject) => {
    end = (failed) => (failed ? reject(failed.error) : resolve({ answers, timedOut }));
  });
  function settled(how: "answered" | "missed"): void {
    missing--;
    over(how);
    if (missing === 0) end();
  }
  if (count === 0) end();
  return {
    result,
    answered(id: string, answer: unknown): void {
      if (missing === 0) return;
      answers.push({ id, answer });
      settled("answered");
    },
    missed(id: string): void {
      if (missing === 0) return;
      timedOut.push(id);
      settled("missed");
    },
    fail(error: unknown): void {
      for (; missing > 0; missing--) over("missed");
      end({ error });
    },
  };
}
