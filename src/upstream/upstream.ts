import type { CallKind, StateAnswer } from "../core/call.ts";
import type { Command } from "../core/command.ts";
import type { Journal, LetterFilter } from "../core/journal.ts";
import { createThrottle, type Log, type LogLevel, type ThrottledLog } from "../core/log.ts";
import { type Settings, SettingsError } from "../core/settings.ts";
import type { TraceContext, Tracer } from "../core/trace.ts";
import { within } from "../core/within.ts";
import type { Failed } from "./answer.ts";
import { createAttempts, type MaybeCounts } from "./attempts.ts";
import {
  type Call,
  type CalledSocket,
  type CallHead,
  type Clock,
  createIds,
  machineClock,
  traceOf,
} from "./call.ts";
import { createCalls } from "./calls.ts";
import {
  createDeadLetters,
  createReplay,
  type DeadLetter,
  type Replayed,
  type ReplayWanted,
  showLetter,
} from "./dead-letters.ts";
import { createDurable } from "./durable.ts";
import { createElders } from "./elders.ts";
import { type AbsentSocket, createKeptCalls, type LostSockets } from "./kept-calls.ts";
import { createBatches, createLanes, type Lanes } from "./lanes.ts";
import { createSigner } from "./request.ts";
import { type Routes, readRoutes } from "./routes.ts";
import { type CallLabels, createCounts, type UpstreamSamples } from "./samples.ts";
import { openSocketCalls, type SocketCalls } from "./socket-calls.ts";

/** How long calls are tried again if `upstream.retryForMs` is 0. */
const RETRY_FOR_MS = { memory: 3_000, durable: 600_000 } as const;

/** Where a call is among those of its socket. */
export type CallPlace = Pick<CallHead, "namespace" | "socketId" | "order">;

/** Calls to functions. */
export interface Upstream {
  /** Whether any function answers for a namespace. */
  claims(namespace: string): boolean;
  /** Namespaces that the settings name, and the patterns of those that they do not name. */
  readonly namespaces: Routes["namespaces"];
  /** Whether a function answers this call. */
  answers(kind: CallKind, namespace: string, event: string): boolean;
  /** Whether this call shows the rooms of its socket, or their sizes. */
  showsRooms(kind: CallKind, namespace: string, event: string): boolean;
  open(socket: CalledSocket): SocketCalls;
  /** Lists the dead letters that match, the oldest first. */
  listDeadLetters(
    page: LetterFilter & { readonly limit: number; readonly after?: string | undefined },
  ): Promise<{ readonly items: readonly DeadLetter[]; readonly next?: string }>;
  /** Tries dead letters once more, with the same `webhook-id` each. */
  replayDeadLetters(wanted: ReplayWanted): Promise<Replayed[]>;
  /** The routes to functions, and which of them are not called because of a 410. */
  routes(): { readonly name: string; readonly url: string; readonly state: "open" | "gone" }[];
  /** Has routes called again whose functions were gone; returns how many of these were. */
  revive(names: readonly string[]): number;
  /** Whether there are older calls of the same socket here that are not over. */
  hasOlder(call: CallPlace): boolean;
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
  /**
   * Carries out a function's commands, in order, which `trace` caused. Resolves when all sockets
   * have been moved.
   */
  apply(commands: readonly Command[], trace: TraceContext | undefined): Promise<void>;
  readonly trace?: Tracer | undefined;
  /** Does what an answer says about a socket that no call here is open for. */
  elsewhere?(socket: AbsentSocket, answer: StateAnswer, order: number): void;
  /** Sockets of nodes whose calls this one delivers. */
  readonly lost?: LostSockets | undefined;
  /** How many sockets are in rooms, for routes with `presence`. Never rejects. */
  count?(namespace: string, rooms: readonly string[]): MaybeCounts;
  /** A request took so long. */
  observe?(labels: CallLabels, seconds: number): void;
  readonly clock?: Clock;
  /**
   * Says for each call, in their order, whether another worker has older ones of its socket. Not
   * needed with a journal, which tells that of all nodes.
   */
  askOlder?(calls: readonly CallPlace[]): Promise<readonly boolean[]>;
  /** Keeps what waits for functions where it outlives the process. */
  readonly journal?: Journal | undefined;
}

/**
 * Returns the routes of the settings, whose calls can be signed. Throws {@link SettingsError}.
 */
export function readCallSettings(settings: Settings["upstream"]): Routes {
  const routes = readRoutes(settings);
  createSigner(settings.secrets, Date.now);
  if (routes.all.length === 0 || settings.secrets.length > 0) return routes;
  const bound = "calls are signed: set a secret; `echo whsec_$(openssl rand -base64 32)` makes one";
  throw new SettingsError([{ path: "upstream.secrets", value: "[]", bound }]);
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
  const routes = readCallSettings(settings);
  const log = createThrottle(needs.log, clock.now);
  const counts = createCounts(needs.observe ?? (() => {}));
  const newId = createIds();
  const { apply, journal, trace } = needs;
  const letters = journal?.letters ?? createDeadLetters(settings, clock.wall);
  const failed = createFailureLog(log);
  const attempts = createAttempts(settings, routes, {
    ...{ clock, failed, retryForMs: RETRY_FOR_MS[journal ? "durable" : "memory"], trace },
    durable: () => durable,
    sign: createSigner(settings.secrets, clock.wall),
    counts,
    count: needs.count ?? (() => ({})),
    opened: (origin) =>
      log("warn", "opened", { component: "upstream", origin }, "origin fails too often"),
    gone: ({ name: route, shownUrl: url }) =>
      log("error", "gone", { component: "upstream", route, url }, "function answered 410 Gone"),
  });
  const { gone } = attempts;
  const calls = createCalls(settings, {
    ...{ clock, routes, gone, letters, counts, newId, apply, failed, trace },
    lanes: () => lanes,
    durable: () => durable,
  });
  const batches = createBatches(settings, {
    attempts,
    newId: () => newId("bat"),
    sent(count) {
      counts.batched += count;
    },
    ...{ end: calls.end, failed },
  });
  const lanes: Lanes = createLanes({
    ...{ attempts, batches, end: calls.end },
    holder: () => durable ?? elders,
  });
  const keptCalls = createKeptCalls({
    routes,
    dataBytesMax: settings.dataBytesMax,
    elsewhere: needs.elsewhere ?? (() => {}),
    find: (key) => lanes.peek(key)?.socket,
    lost: needs.lost,
  });
  const durable =
    journal &&
    createDurable({
      ...{ journal, keptCalls, lost: needs.lost, away: settings.away },
      ...{ lanes: lanes.all, confirmed: lanes.advance, find: (key) => lanes.find(key, true) },
      ...{ drop: calls.drop, refuse: calls.refuse, readmit: calls.readmit },
      reject({ lane, text }, place, { id, route }) {
        const about = { id, route, reason: "UPSTREAM_NO_ROUTE", attempts: 0, at: clock.wall() };
        letters.add({ ...about, lane, text }, place);
      },
    });
  const { askOlder } = needs;
  const elders =
    askOlder && createElders<CallPlace>({ headOf: (_, call) => call, elsewhere: askOlder });
  let stopped: Promise<void> | undefined;

  async function stop(): Promise<void> {
    durable?.close();
    calls.close();
    attempts.hurry();
    batches.flush();
    await within(calls.idle(), settings.drainMs, () => {});
    // So that what is being written down is kept.
    await journal?.flushed();
    // The queues first: the end of what is open would begin what waits behind it.
    calls.abandon("UPSTREAM_STOPPING");
    durable?.stop();
    elders?.stop();
    await attempts.close();
    await journal?.flushed();
    tellLeft(calls.left);
  }

  function tellLeft({ kept, ended }: typeof calls.left): void {
    const { held } = letters.samples;
    const tell = (level: LogLevel, count: number, text: string) => {
      if (count > 0) needs.log(level, { component: "upstream", calls: count }, text);
    };
    if (journal) {
      tell("info", kept, "calls are left to other nodes, or the next start");
      tell("warn", ended, "calls that Redis has not confirmed are not left to other nodes");
    } else tell("warn", held, "dead letters are lost with this stop");
  }

  return {
    claims: routes.claims,
    namespaces: routes.namespaces,
    answers: (kind, namespace, event) => routes.find(kind, namespace, event) !== undefined,
    showsRooms(kind, namespace, event) {
      const { rooms = false, presence = false } = routes.find(kind, namespace, event) ?? {};
      return rooms || presence;
    },
    open: (socket) =>
      openSocketCalls(socket, { settings, calls, lanes, apply, trace, refused: counts.refuse }),
    async listDeadLetters(page) {
      const { items, next } = await letters.list(page);
      const shown = items.map(showLetter).filter((one) => one !== undefined);
      return { items: shown, ...(next !== undefined && { next }) };
    },
    replayDeadLetters: createReplay({
      ...{ letters, gone, lanes, keptCalls, durable, readmit: calls.readmit },
    }),
    routes: () =>
      routes.all.map((route) => ({
        name: route.name,
        url: route.shownUrl,
        state: gone.has(route) ? "gone" : "open",
      })),
    revive: (names) =>
      routes.all.filter((route) => names.includes(route.name) && gone.revive(route)).length,
    hasOlder: ({ namespace, socketId, order }) => lanes.hasOlder(`${namespace},${socketId}`, order),
    samples() {
      const { calls: made, refused, batched, retries, states } = counts;
      return {
        ...{ calls: made, refused, batched, retries, states, queued: calls.queued },
        origins: attempts.origins.map(({ name, breaker, opened, inflight, waiting }) => ({
          origin: name,
          ...{ breaker, opened, inflight, waiting },
        })),
        goneEndpoints: gone.count,
        deadLetters: letters.samples,
        journal: journal?.samples(),
      };
    },
    stop: () => (stopped ??= stop()),
  };
}

/** Writes a line for a failed call, one a second per route and reason. Bodies are in none. */
function createFailureLog(log: ThrottledLog) {
  return (call: Call, { code, status, detail }: Failed, calls = 1): void => {
    const { id, route, namespace, socketId: socket, kind, subject, attempts: attempt } = call;
    const about = { id, route: route.name, namespace, socket, kind };
    const trace = traceOf(call);
    const fields = {
      ...{ component: "upstream", code, ...about, attempt },
      ...(kind === "event" && { event: subject.slice(0, EVENT_CHARS_MAX) }),
      ...(status !== undefined && { status }),
      ...(detail !== undefined && { detail }),
      ...(trace && { traceparent: trace.traceparent }),
      ...(calls > 1 && { calls }),
    };
    // A function that refuses works.
    const level = code === "UPSTREAM_REFUSED" ? "debug" : "warn";
    log(level, `${route.name} ${code}`, fields, "a call to a function failed");
  };
}

/** What a line shows of an event's name, which a client has chosen. */
const EVENT_CHARS_MAX = 100;
