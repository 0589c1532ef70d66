import type { Server, Socket } from "socket.io";
import type { Lease, Successor } from "../cluster/lease.ts";
import { type LeasedSocket, recordName } from "../cluster/leased-socket.ts";
import { eachStep } from "../core/loop.ts";
import { keepState } from "../core/socket-state.ts";
import type { ForwardNeeds } from "../handlers/forward.ts";
import { connectionOf, namespacesOf } from "../seam/socket-io.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** The reason in a disconnect call for a socket of a node that died. */
const NODE_LOST = "node_lost";

/** Opens the lane of a socket of this node. */
type Open = ForwardNeeds["open"];
type OpenSocket = Parameters<Open>[0];

/** A socket that is in the lease. */
interface Held {
  readonly socket: OpenSocket;
  ended: boolean;
}

/** How often the records of a part of the sockets are compared with what they are now. */
const LOOK_MS = 100;
/** How long it takes to come to each: its data or rooms may change without anybody telling. */
const ROUND_MS = 5_000;

/** What leasing lanes needs. */
export interface LeaseLanesNeeds {
  readonly io: Server;
  readonly upstream: Upstream;
  readonly lease: Lease;
  readonly dataBytesMax: number;
}

/**
 * Returns `upstream.open`, extended so that the lease lists each socket from the moment its connect
 * call was accepted until its disconnect call is over, with its data as answers leave them; what
 * handlers in the process change is found within five seconds. Also registers with the lease the
 * functions that make the disconnect calls of nodes that died.
 */
export function leaseLanes(needs: LeaseLanesNeeds): { readonly open: Open; stop(): void } {
  const { upstream, lease } = needs;
  const held = new Map<string, Held>();
  /** Sockets whose disconnect calls another node has made. */
  const told = new Set<string>();

  lease.name(createSuccessor(needs, held, told));

  /** Brings the record of a socket up to date. */
  function look(name: string): void {
    const own = held.get(name);
    if (own) lease.update(recordOf(own.socket, upstream));
  }

  function open(given: OpenSocket): ReturnType<Open> {
    const { namespace } = given;
    if (!upstream.answers("disconnect", namespace, "disconnect")) return upstream.open(given);
    const name = recordName(given);
    const socket: OpenSocket = {
      ...given,
      update(answer, order) {
        const updated = given.update(answer, order);
        if (updated.outcome === "done") look(name);
        return updated;
      },
    };
    const lane = upstream.open(socket);
    const enter = () => {
      told.delete(name);
      held.set(name, { socket, ended: false });
      lease.enter(recordOf(socket, upstream));
    };
    const isAsked = upstream.answers("connect", namespace, "connect");
    // A middleware of the process may still refuse it; `end` then removes it from the lease.
    if (!isAsked) enter();
    return {
      ...lane,
      async connect(handshake) {
        const answer = await lane.connect(handshake);
        enter();
        // Forwarding is about to set what the answer says.
        setImmediate(look, name);
        return answer;
      },
      end(reason) {
        const own = held.get(name);
        lease.whenSure(() => {
          if (told.delete(name)) return lane.end();
          if (own) own.ended = true;
          const done = () => {
            // A recovered session has the same name, and may have replaced this record.
            if (held.get(name) !== own) return;
            held.delete(name);
            lease.strike(socket);
          };
          lane.end(reason, { done, strikes: name });
        });
      },
    };
  }

  return { open, stop: walkAll(held, look) };
}

/** Returns what tells functions of the sockets of dead nodes, and hears that this node was one. */
function createSuccessor(
  { io, upstream, dataBytesMax }: LeaseLanesNeeds,
  held: Map<string, Held>,
  told: Set<string>,
): Successor {
  return {
    dataCharsMax: dataBytesMax,
    lost: ({ id, namespace, ...known }, node) =>
      new Promise((resolve) => {
        if (!upstream.claims(namespace)) return resolve();
        const socket = { id, namespace, mayBeElsewhere: true, ...keepState(known, dataBytesMax) };
        upstream
          .open(socket)
          .end(NODE_LOST, { done: resolve, ...(node !== undefined && { of: node }) });
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
  };
}

/** Comes to each key of a map within {@link ROUND_MS}, again and again; returns how to end that. */
function walkAll(map: ReadonlyMap<string, unknown>, come: (key: string) => void): () => void {
  let walk = map.keys();
  return eachStep((_now, elapsedMs) => {
    for (let left = Math.ceil((map.size * elapsedMs) / ROUND_MS); left > 0; left--) {
      const next = walk.next();
      if (next.done) {
        walk = map.keys();
        return;
      }
      come(next.value);
    }
  }, LOOK_MS);
}

function recordOf(socket: OpenSocket, upstream: Upstream): LeasedSocket {
  const { id, namespace } = socket;
  const showsRooms = upstream.showsRooms("disconnect", namespace, "disconnect");
  return { id, namespace, ...socket.describe(), ...(showsRooms && { rooms: socket.rooms() }) };
}
