import type { Namespace, Server } from "socket.io";
import type { DeadLetters } from "../api/commands.ts";
import type { Lease } from "../cluster/lease.ts";
import type { LostRecords } from "../cluster/lost-records.ts";
import type { Command, Refused } from "../core/command.ts";
import { FAILURES } from "../core/failures.ts";
import type { Journal } from "../core/journal.ts";
import { createThrottle, type Log } from "../core/log.ts";
import { hasUpstream, keepsInRedis, type Settings, SettingsError } from "../core/settings.ts";
import type { TraceContext, Tracer } from "../core/trace.ts";
import type { Executor } from "../fanout/apply.ts";
import { createPresence } from "../fanout/presence.ts";
import { createForward, type ForwardNamespace, type ForwardSocket } from "../handlers/forward.ts";
import type { Metrics } from "../metrics/registry.ts";
import { connectionOf, eachNamespace, prependMiddleware, watchRemoved } from "../seam/socket-io.ts";
import type { Middleware } from "../seam/socket-io-inside.ts";
import { createUpstream, readCallSettings, type Upstream } from "../upstream/upstream.ts";
import { leaseLanes } from "./lease-lanes.ts";
import { listUpstreamRows } from "./metric-rows.ts";
import { createElsewhere } from "./state-elsewhere.ts";
import { answerOlder, askOlder } from "./worker-calls.ts";

/** What {@link serveUpstream} needs. */
export interface ServeUpstreamNeeds {
  readonly io: Server;
  readonly executor: Executor;
  readonly metrics: Metrics;
  readonly trace: Tracer | undefined;
  readonly log: Log;
  /** If set, another node makes the disconnect calls of this node's sockets when this one dies. */
  readonly lease?: Lease | undefined;
  /** Keeps what waits for functions in Redis. */
  readonly journal?: Journal | undefined;
  /** What nodes that are gone have written down of their sockets. */
  readonly lostRecords?: LostRecords | undefined;
  /** Whether sockets may move to other workers, without Redis. */
  readonly hasWorkers: boolean;
}

/** Calls to functions, running. */
export interface ServedUpstream {
  /** The dead letters that the API lists and replays; undefined when no function is set. */
  readonly deadLetters: DeadLetters | undefined;
  /** Call it after the sockets have closed, so that their disconnect calls are still made. */
  stop(): Promise<void>;
}

/**
 * Throws `SettingsError` for routes and secrets that cannot be used, and for settings that do not
 * work together.
 */
export function checkUpstream(all: Settings): void {
  const { auth, cluster, upstream: settings } = all;
  const { find, namespaces } = readCallSettings(settings);
  if (settings.durable === "redis" && cluster.redisUrl === "") {
    const bound = "redis needs cluster.redisUrl";
    throw new SettingsError([{ path: "upstream.durable", value: '"redis"', bound }]);
  }
  if (auth.mode !== "upstream") return;
  // A plain name can be checked now; a namespace of a pattern, when it is created.
  const isDecided = (name: string) => find("connect", name, "connect") !== undefined;
  if (hasUpstream(all) && namespaces.names.every(isDecided)) return;
  const bound =
    "no function gets the connect calls of a namespace: set upstream.url, or a route with the event connect";
  throw new SettingsError([{ path: "auth.mode", value: '"upstream"', bound }]);
}

/**
 * Forwards events to functions, in every namespace that the settings map to one, also in namespaces
 * created later.
 */
export function serveUpstream(
  all: Settings,
  {
    io,
    executor,
    metrics,
    trace,
    log,
    lease,
    journal: given,
    lostRecords,
    hasWorkers,
  }: ServeUpstreamNeeds,
): ServedUpstream {
  const { auth, upstream: settings } = all;
  if (!hasUpstream(all)) return { deadLetters: undefined, stop: async () => {} };
  const apply = createApply(executor, log);
  const { dataBytesMax, presenceMs } = settings;
  const journal = keepsInRedis(all) ? given : undefined;
  const change = createElsewhere({ io, dataBytesMax, apply });
  const elsewhere = (...changed: Parameters<typeof change>): void => {
    const patched = change(...changed);
    if (patched) journal?.changed(patched);
  };
  const now = () => performance.now();
  const upstream = createUpstream(settings, {
    ...{ log, apply, trace, elsewhere },
    journal,
    lost: lostRecords && {
      recall: lostRecords.recall,
      // While Redis is away its nodes are, too.
      revise: (node, socket) => void lostRecords.revise(node, socket).catch(() => {}),
    },
    ...(hasWorkers && { askOlder: (calls) => askOlder(io, calls) }),
    count: createPresence({ server: io, presenceMs, now }).count,
    observe: (labels, seconds) =>
      metrics.observe("sluice_upstream_call_seconds", seconds, { ...labels }),
  });
  const { names, patterns } = upstream.namespaces;
  const forget = metrics.source(() => listUpstreamRows(upstream.samples()));
  const endAnswers = hasWorkers ? answerOlder(io, upstream) : undefined;
  const leased = lease && leaseLanes({ io, upstream, lease, dataBytesMax });
  const forward = createForward(settings, {
    asksConnect: (namespace) => upstream.answers("connect", namespace, "connect"),
    open: leased?.open ?? upstream.open,
    apply,
    elsewhere: ({ id, nsp }, answer, order) =>
      elsewhere({ id, namespace: nsp.name }, answer, order),
    hold: executor.hold,
    tokenUserOf: ({ data }) =>
      auth.mode === "jwt" ? claimOf(data.user, auth.userClaim) : undefined,
    watchRemoved: (namespace, removed) =>
      watchRemoved(namespace as unknown as Namespace, (socket) =>
        removed(socket as unknown as ForwardSocket),
      ),
    close: (socket) => connectionOf(socket).closeAs("upstream_full"),
    pause: (socket) => connectionOf(socket).pauseReading(),
  });
  const unwatch = eachNamespace(io, (namespace: Namespace) => {
    if (upstream.claims(namespace.name)) forward(asForward(namespace));
    const decided = upstream.answers("connect", namespace.name, "connect");
    if (auth.mode === "upstream" && !decided) prependMiddleware(namespace, refuse);
  });
  for (const name of names) io.of(name);
  for (const pattern of patterns) io.of(pattern);
  return {
    deadLetters: openDeadLetters(upstream),
    async stop() {
      unwatch();
      await upstream.stop();
      endAnswers?.();
      leased?.stop();
      forget();
    },
  };
}

/** Returns what carries out the commands of functions. It resolves when sockets have been moved. */
function createApply(executor: Executor, log: Log) {
  const throttled = createThrottle(log, () => performance.now());
  const tellRefused = (command: Command | undefined, { code, detail }: Refused): void => {
    const about = { command: command?.do, namespace: command?.namespace ?? "/" };
    const fields = { component: "upstream", code, ...about, detail };
    throttled("warn", code, fields, "a command of a function was refused");
  };
  return async (commands: readonly Command[], cause?: TraceContext): Promise<void> => {
    // The commands have started when it returns. Refusals are logged: nobody gets the results.
    const { moved, results } = executor.start(commands, "upstream", cause);
    void results.then((all) => {
      for (const [at, result] of all.entries()) if (!result.ok) tellRefused(commands[at], result);
    });
    await moved;
  };
}

function openDeadLetters(upstream: Upstream): DeadLetters {
  return {
    routes: upstream.routes,
    revive: upstream.revive,
    list: upstream.listDeadLetters,
    async replay(wanted) {
      const all = await upstream.replayDeadLetters(wanted);
      const count = (...wanted: string[]) =>
        all.filter(({ outcome }) => wanted.includes(outcome)).length;
      return { replayed: count("delivered", "failed"), delivered: count("delivered") };
    },
  };
}

function claimOf(claims: unknown, name: string): string | undefined {
  const value = typeof claims === "object" && claims !== null && Reflect.get(claims, name);
  return typeof value === "string" || typeof value === "number" ? `${value}` : undefined;
}

/** Refuses every client of a namespace for which no function decides, with auth.mode `upstream`. */
const refuse: Middleware = (_socket, next) => {
  const { text, retry } = FAILURES.AUTH_NO_DECIDER;
  next(Object.assign(new Error(text), { data: { code: "AUTH_NO_DECIDER", retry } }));
};

// The cast holds: Namespace has these members, with stricter types for events.
function asForward(namespace: Namespace): ForwardNamespace {
  return namespace as unknown as ForwardNamespace & { readonly socket?: ForwardSocket };
}
