import type { Server, Socket } from "socket.io";
import type { Lease } from "../cluster/lease.ts";
import { type LeasedSocket, recordName } from "../cluster/leased-socket.ts";
import { connectionOf, namespacesOf } from "../seam/socket-io.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** The reason in a disconnect call for a socket of a node that died. */
const NODE_LOST = "node_lost";

type Open = Upstream["open"];

/**
 * Returns `upstream.open`, extended so that the lease lists each socket from the moment its connect
 * call was accepted until its disconnect call is over. Also registers with the lease the functions
 * that make the disconnect calls of nodes that died.
 */
export function leaseLanes(io: Server, upstream: Upstream, lease: Lease): Open {
  const held = new Map<string, { readonly socket: LeasedSocket; ended: boolean }>();
  /** Sockets whose disconnect calls another node has made. */
  const told = new Set<string>();

  lease.name({
    lost: ({ id, namespace, userId, data }) =>
      new Promise((resolve) => {
        if (!upstream.claims(namespace)) return resolve();
        upstream
          .open({ id, namespace, describe: () => ({ userId, data }) })
          .end(NODE_LOST, resolve);
      }),
    taken() {
      const before = [...held];
      held.clear();
      for (const [name, { socket: lost, ended }] of before) {
        if (ended) continue;
        told.add(name);
        const { namespace, id } = lost;
        const socket: Socket | undefined = namespacesOf(io).get(namespace)?.sockets.get(id);
        if (socket) connectionOf(socket).closeAs(NODE_LOST);
      }
    },
  });

  return (socket) => {
    const lane = upstream.open(socket);
    const { id, namespace } = socket;
    const name = recordName(socket);
    if (!upstream.answers("disconnect", namespace, "disconnect")) return lane;
    const enter = (said: Pick<LeasedSocket, "userId" | "data"> = {}) => {
      const { userId = said.userId, data } = socket.describe();
      const record = { id, namespace, userId, data: { ...asObject(data), ...asObject(said.data) } };
      told.delete(name);
      held.set(name, { socket: record, ended: false });
      lease.enter(record);
    };
    const isAsked = upstream.answers("connect", namespace, "connect");
    // A middleware of the process may still refuse it; `end` then removes it from the lease.
    if (!isAsked) enter();
    return {
      ...lane,
      async connect(handshake) {
        const answer = await lane.connect(handshake);
        enter(answer);
        return answer;
      },
      end(reason) {
        const own = held.get(name);
        lease.whenSure(() => {
          if (told.delete(name)) return lane.end();
          if (own) own.ended = true;
          lane.end(reason, () => {
            // A recovered session has the same name, and may have replaced this record.
            if (held.get(name) !== own) return;
            held.delete(name);
            lease.strike(socket);
          });
        });
      },
    };
  };
}

function asObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}
