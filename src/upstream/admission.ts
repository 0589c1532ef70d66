import type { CallKind, CallSocket } from "../core/call.ts";
import type { FailureCode } from "../core/failures.ts";
import { readTraceparent } from "../core/http.ts";
import type { Settings } from "../core/settings.ts";
import type { Carrier } from "./carrier.ts";
import type { Clock } from "./clock.ts";
import { sourceOf } from "./cloud-event.ts";
import type { Courier } from "./courier.ts";
import type { LaneState, Lanes } from "./lanes.ts";
import type { Item } from "./request.ts";
import type { Route, Routes } from "./routes.ts";

/** A socket as its calls show it. */
export interface LaneSocket {
  readonly id: string;
  readonly namespace: string;
  /** A client's `traceparent` header; passed on if it is one. */
  readonly traceparent?: unknown;
  /** What may change between events. */
  describe(): Pick<CallSocket, "userId" | "data">;
}

/** Something to tell a function. */
export interface Given {
  readonly kind: CallKind;
  /** Name of the client's event; of the others, their kind. */
  readonly subject: string;
  /** Builds the JSON body; `undefined` for what has none. */
  body(): string | undefined;
  /** How long somebody waits for it. */
  readonly timeoutMs?: number;
  readonly tell?: NonNullable<Item["tell"]>;
  /** Told once that it is over; never for what is refused. */
  readonly done?: (() => void) | undefined;
}

/** What is under way. */
export interface Queued {
  events: number;
  bytes: number;
}

/** Accepts or refuses events and connects, and queues the accepted ones. */
export interface Admission {
  /** Puts something into a socket's lane; returns why not. Nothing is kept of what is refused. */
  admit(socket: LaneSocket, lane: LaneState, given: Given): FailureCode | undefined;
  /** Refuses everything from now on but disconnects: who was let in has to leave. */
  close(): void;
}

/** What admission looks at. */
export interface AdmissionNeeds {
  readonly clock: Clock;
  readonly routes: Routes;
  readonly courier: Courier;
  readonly queued: Queued;
  readonly lanes: Lanes;
  readonly carrier: Carrier;
  newId(prefix: string): string;
}

/** Returns the admission of calls: bounded per socket, over all sockets, and by bytes. */
export function createAdmission(settings: Settings["upstream"], needs: AdmissionNeeds): Admission {
  const { clock, routes, courier, queued, lanes, carrier } = needs;
  let closed = false;

  function admit(socket: LaneSocket, lane: LaneState, given: Given): FailureCode | undefined {
    const { kind, subject } = given;
    // A disconnect is the last of its lane: one more is a bound too.
    const isLast = kind === "disconnect";
    if (closed && !isLast) return "UPSTREAM_STOPPING";
    const route = routes.find(kind, socket.namespace, subject);
    const path = route?.path(socket.namespace, subject);
    if (!route || path === undefined) return "UPSTREAM_NO_ROUTE";
    if (courier.isGone(route)) return "UPSTREAM_GONE";
    if (!isLast && lane.items.length >= settings.socketQueueMax) return "UPSTREAM_QUEUE_FULL";
    const body = given.body();
    if (body === undefined) return "UPSTREAM_BAD_ARGS";
    const item = makeItem(socket, given, { route, path, body });
    const isFull =
      queued.events >= settings.queueMax || queued.bytes + item.bytes > settings.queueBytesMax;
    if (isFull && !isLast) return "UPSTREAM_SATURATED";
    queued.events++;
    queued.bytes += item.bytes;
    // Nobody could be told that a disconnect is refused: it is kept with the dead letters.
    if (isFull) carrier.abandon(item, "UPSTREAM_SATURATED");
    else enter(lane, item, given.timeoutMs);
    return undefined;
  }

  function enter(lane: LaneState, item: Item, timeoutMs: number | undefined): void {
    if (timeoutMs !== undefined) {
      item.timer = setTimeout(() => carrier.expire(lane, item), timeoutMs);
    }
    lanes.push(lane, item);
  }

  function makeItem(
    { id, namespace, traceparent }: LaneSocket,
    { kind, subject, timeoutMs, tell, done }: Given,
    { route, path, body }: { route: Route; path: string; body: string },
  ): Item {
    return {
      event: {
        id: needs.newId("evt"),
        kind,
        source: sourceOf(namespace, id),
        subject: kind === "event" ? subject : "",
        namespace,
        socketId: id,
        at: clock.wall(),
        data: body,
        traceparent: readTraceparent(traceparent),
      },
      route,
      path,
      bytes: Buffer.byteLength(body),
      deadline: timeoutMs === undefined ? undefined : clock.now() + timeoutMs,
      tell,
      replayed: undefined,
      done,
      attempts: 0,
      over: false,
      timer: undefined,
      leave: undefined,
    };
  }

  return {
    admit,
    close() {
      closed = true;
    },
  };
}
