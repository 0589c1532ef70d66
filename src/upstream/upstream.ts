import type { CallKind } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import { createThrottle, type Log } from "../core/log.ts";
import { type Settings, SettingsError } from "../core/settings.ts";
import { within } from "../core/within.ts";
import { createAdmission, type LaneSocket, type Queued } from "./admission.ts";
import { createBatches } from "./batches.ts";
import { createCarrier } from "./carrier.ts";
import { type Clock, machineClock } from "./clock.ts";
import { createIds } from "./cloud-event.ts";
import { type Courier, createCourier } from "./courier.ts";
import { createDeadLetters, type DeadLetter, type DeadLetters } from "./dead-letters.ts";
import { type Lane, openLane } from "./lane.ts";
import { createLanes, type Lanes } from "./lanes.ts";
import { createReplay, type Replayed } from "./replays.ts";
import { type Routes, readRoutes } from "./routes.ts";
import { type CallType, type Counts, createCounts, type UpstreamSamples } from "./samples.ts";
import { createSigner } from "./sign.ts";

/** Calls to functions. */
export interface Upstream {
  /** Whether any function answers for a namespace. */
  claims(namespace: string): boolean;
  /** Namespaces that the settings name, and the patterns of those that they do not name. */
  readonly namespaces: Routes["namespaces"];
  /** Whether a function answers this call. */
  answers(kind: CallKind, namespace: string, event: string): boolean;
  open(socket: LaneSocket): Lane;
  listDeadLetters(page: { readonly limit: number; readonly after?: string | undefined }): {
    readonly items: readonly DeadLetter[];
    readonly next?: string;
  };
  /** Tries given-up events, or all of them, once more, with the same `webhook-id` each. */
  replayDeadLetters(ids: readonly string[] | undefined): Promise<Replayed[]>;
  samples(): UpstreamSamples;
  /**
   * Takes nothing more but disconnects, lets what is queued go out for `drainMs` and what is open
   * finish until then; the rest ends as UPSTREAM_STOPPING or a dead letter. Leaves no timer and no
   * connection.
   */
  stop(): Promise<void>;
}

/** What calls need. */
export interface UpstreamNeeds {
  readonly log: Log;
  /** Carries out a function's commands, in order. Resolves when all sockets have been moved. */
  apply(commands: readonly Command[]): Promise<void>;
  /** A request of a type took so long. */
  observe?(type: CallType, seconds: number): void;
  readonly clock?: Clock;
}

/**
 * Returns the calls to functions that the settings name.
 *
 * Per socket there is one request at a time, in the order of its events; sockets do not wait for
 * each other. An event somebody waits for is sent at most once and answered or refused within its
 * timeout; any other is sent until it is taken, at most `attemptsMax` times, with the same id, and
 * becomes a dead letter after that. What may wait is bounded per socket and over all, by count and
 * bytes. Throws {@link SettingsError}.
 */
export function createUpstream(settings: Settings["upstream"], needs: UpstreamNeeds): Upstream {
  const clock = needs.clock ?? machineClock;
  const routes = readRoutes(settings);
  if (routes.all.length > 0 && settings.secrets.length === 0) {
    const bound = "calls are signed: set at least one whsec_ secret";
    throw new SettingsError([{ path: "upstream.secrets", value: "[]", bound }]);
  }
  const log = createThrottle(needs.log, clock.now);
  const counts = createCounts(needs.observe ?? (() => {}));
  const newId = createIds();
  const queued = { events: 0, bytes: 0 };
  const letters = createDeadLetters(settings.deadLettersMax, settings.deadLetterBytesMax);
  const courier = createCourier(settings, routes, {
    clock,
    sign: createSigner(settings.secrets, clock.wall),
    seen: counts,
    opened: (origin) =>
      log("warn", "opened", { room: "upstream", origin }, "origin fails too often"),
    gone: ({ url }) =>
      log("error", "gone", { room: "upstream", url }, "function answered 410 Gone"),
  });
  const carrier = createCarrier({
    courier,
    letters,
    lanes: () => lanes,
    apply: needs.apply,
    refused: counts.refuse,
    freed(item) {
      queued.events--;
      queued.bytes -= item.bytes;
      if (queued.events === 0) idle?.();
    },
  });
  const batches = createBatches(settings, {
    newId: () => newId("bat"),
    send(request, batch) {
      counts.batched += request.items.length;
      carrier.carryBatch(request, batch);
    },
  });
  const lanes: Lanes = createLanes({ ...batches, carry: carrier.carry });
  const admission = createAdmission(settings, {
    clock,
    routes,
    courier,
    queued,
    newId,
    lanes,
    carrier,
  });
  const replay = createReplay({ letters, courier, lanes, queued });
  const room = { settings, admission, lanes, apply: needs.apply, refused: counts.refuse };
  let idle: (() => void) | undefined;
  let stopped: Promise<void> | undefined;

  async function stop(): Promise<void> {
    admission.close();
    courier.hurry();
    batches.flush();
    const empty = new Promise<void>((resolve) => {
      // Only once what has ended was told: a socket that left during its connect call leaves then.
      idle = () =>
        setImmediate(() => {
          if (queued.events === 0) resolve();
        });
    });
    if (queued.events === 0) idle?.();
    await within(empty, settings.drainMs, () => {});
    // The queues first: the end of what is open would begin what waits behind it.
    for (const lane of lanes.all()) {
      for (const item of lane.items.splice(0)) carrier.abandon(item, "UPSTREAM_STOPPING");
    }
    await courier.close();
    const { held } = letters.samples;
    if (held > 0)
      needs.log("warn", { room: "upstream", held }, "dead letters are lost with this stop");
  }

  return {
    claims: routes.claims,
    namespaces: routes.namespaces,
    answers: (kind, namespace, event) => routes.find(kind, namespace, event) !== undefined,
    open: (socket) => openLane(socket, room),
    listDeadLetters: letters.list,
    replayDeadLetters: replay,
    samples: () => readSamples({ counts, queued, courier, letters }),
    stop: () => (stopped ??= stop()),
  };
}

interface Counted {
  readonly counts: Counts;
  readonly queued: Queued;
  readonly courier: Courier;
  readonly letters: DeadLetters;
}

function readSamples({ counts, queued, courier, letters }: Counted): UpstreamSamples {
  const { calls, refused, batched, retries } = counts;
  return {
    ...{ calls, refused, batched, retries, queued },
    origins: courier.origins.map(({ name, breaker, opened, inflight, waiting }) => ({
      origin: name,
      ...{ breaker, opened, inflight, waiting },
    })),
    goneEndpoints: courier.goneCount,
    deadLetters: letters.samples,
  };
}
