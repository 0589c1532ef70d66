import type { Server } from "socket.io";
import type { StateAnswer } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { type PatchLimits, readRoomChange } from "../core/socket-state.ts";
import { namespacesOf } from "../seam/socket-io.ts";

/** An adapter that reaches the data of sockets of other nodes, and of lost sessions. */
interface PatchingAdapter {
  patchState?(
    id: string,
    data: NonNullable<StateAnswer["data"]>,
    limits: PatchLimits,
  ): Promise<void>;
}

/** What changing a socket elsewhere needs. */
export interface ElsewhereNeeds {
  readonly io: Server;
  readonly dataBytesMax: number;
  apply(commands: readonly Command[]): unknown;
}

/** Names a socket that is not connected to this node, or not any more. */
export interface AbsentSocket {
  readonly id: string;
  readonly namespace: string;
}

/**
 * Returns what carries out the state in an answer for a socket of another node, or for a session
 * that waits for its client. With the adapter `pubsub` only its rooms are changed. What it returns
 * resolves when others can read the new data.
 */
export function createElsewhere({ io, dataBytesMax, apply }: ElsewhereNeeds) {
  return (
    { id, namespace }: AbsentSocket,
    answer: StateAnswer,
    order: number,
  ): Promise<void> | undefined => {
    const { leave, join } = readRoomChange(answer.rooms);
    const to = { namespace, in: [id] };
    const moves: Command[] = [];
    if (leave.length > 0) moves.push({ do: "socketsLeave", ...to, rooms: leave });
    if (join.length > 0) moves.push({ do: "socketsJoin", ...to, rooms: join });
    if (moves.length > 0) apply(moves);
    if (answer.data === undefined && moves.length === 0) return undefined;
    // Those of the cluster have it.
    const adapter = namespacesOf(io).get(namespace)?.adapter as PatchingAdapter | undefined;
    return adapter?.patchState?.(id, answer.data ?? {}, { order, bytesMax: dataBytesMax });
  };
}
