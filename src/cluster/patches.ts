import type { Namespace } from "socket.io";
import { type PatchLimits, patchData, type Stateful } from "../core/socket-state.ts";
import { findSocket } from "../seam/socket-io.ts";
import type { StatePatch } from "./messages.ts";

/** Returns the entry that patches the data of a socket, or of a session that is lost. */
export function createPatch(id: string, data: StatePatch["data"], limits: PatchLimits): StatePatch {
  return { do: "patch", to: { rooms: new Set([id]) }, data, limits };
}

/** Patches the data of a socket that is here, also of one that is not connected yet. */
export function patchSocket(namespace: Namespace, { to, data, limits }: StatePatch): void {
  for (const id of to.rooms) {
    const socket = findSocket(namespace, String(id));
    if (socket) patchData(socket, { data }, limits);
  }
}

/** Patches the data of a session that its client gets back. */
export function patchSession(
  session: Stateful & { readonly sid: string },
  { to, data, limits }: StatePatch,
): void {
  if (to.rooms.has(session.sid)) patchData(session, { data }, limits);
}
