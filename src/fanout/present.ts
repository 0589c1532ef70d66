import type { RemoteSocket, Socket } from "socket.io";
import type { PresentSocket } from "../core/command.ts";

/** A socket of this node or of another one of the cluster. */
export type AnySocket = Socket | RemoteSocket<Record<string, never>, unknown>;

/**
 * Returns what is shown of a socket. Its headers and `auth` stay inside: they carry credentials.
 */
export function showSocket(socket: AnySocket): PresentSocket {
  const { address, issued, secure, query } = socket.handshake;
  return {
    id: socket.id,
    rooms: [...socket.rooms].map(String), // a number may be one
    data: socket.data,
    handshake: { address, issued, secure, query },
  };
}

/** One page of a longer list. */
export interface Page<T> {
  readonly items: T[];
  /** The name to continue after; missing on the last page. */
  readonly next?: string;
}

/**
 * Returns the `limit` items with the smallest names after `after`, sorted: a page stays right
 * while others come and go. Costs one comparison for most items, not a sort of all of them.
 */
export function pageOf<T>(
  all: Iterable<T>,
  nameOf: (item: T) => string,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): Page<T> {
  const page: T[] = [];
  let more = false;
  for (const item of all) {
    const name = nameOf(item);
    if (after !== undefined && name <= after) continue;
    const last = page[page.length - 1];
    if (page.length === limit) {
      more = true;
      if (last !== undefined && name > nameOf(last)) continue;
      page.pop();
    }
    page.splice(placeOf(page, name, nameOf), 0, item);
  }
  const last = page[page.length - 1];
  return more && last !== undefined ? { items: page, next: nameOf(last) } : { items: page };
}

function placeOf<T>(page: readonly T[], name: string, nameOf: (item: T) => string): number {
  let low = 0;
  let high = page.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = page[middle];
    if (item !== undefined && nameOf(item) < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
