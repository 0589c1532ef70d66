import type { RemoteSocket, Socket } from "socket.io";
import type { PresentSocket } from "../core/command.ts";

/** A socket of this node or of another one of the cluster. */
export type AnySocket = Socket | RemoteSocket<Record<string, never>, unknown>;

/** Returns the public part of a socket. Headers and `auth` are left out: they carry credentials. */
export function showSocket(socket: AnySocket): PresentSocket {
  const { address, issued, secure, query } = socket.handshake;
  return {
    id: socket.id,
    rooms: [...socket.rooms].map(String), // a room may be a number
    data: socket.data,
    handshake: { address, issued, secure, query },
  };
}

/** One page of a longer list. */
export interface Page<T> {
  readonly items: T[];
  /** The name after which the next page starts; missing on the last page. */
  readonly next?: string;
}

/**
 * Returns the `limit` items with the smallest names after `after`, sorted. Pages stay correct while
 * items come and go. Most items cost one comparison: the whole list is not sorted.
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
