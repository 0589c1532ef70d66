import type { Namespace, Server } from "socket.io";
import type { DeadLetters } from "../api/dead-letters.ts";
import type { Lease } from "../cluster/lease.ts";
import type { Command, Refused } from "../core/command.ts";
import { FAILURES } from "../core/failures.ts";
import type { Log } from "../core/log.ts";
import { hasUpstream, type Settings, SettingsError } from "../core/settings.ts";
import { createThrottle } from "../core/throttle.ts";
import type { Executor } from "../fanout/apply.ts";
import { createForward, type ForwardNamespace, type ForwardSocket } from "../handlers/forward.ts";
import type { Metrics, Samples } from "../metrics/registry.ts";
import type { Connection } from "../socket/connection.ts";
import {
  eachNamespace,
  type Middleware,
  prependMiddleware,
  watchRemoved,
} from "../socket/socket-io.ts";
import type { UpstreamSamples } from "../upstream/samples.ts";
import { createUpstream } from "../upstream/upstream.ts";
import { leaseLanes } from "./lease-lanes.ts";

/** What calls to functions are built from. */
export interface ServeUpstreamNeeds {
  readonly io: Server;
  readonly executor: Executor;
  readonly metrics: Metrics;
  readonly log: Log;
  /** By which other nodes speak for this one's sockets when it dies. */
  readonly lease?: Lease | undefined;
}

/** Calls to functions, running. */
export interface ServedUpstream {
  /** What the API shows and replays; none when no function is set. */
  readonly deadLetters: DeadLetters | undefined;
  /** To be called once the sockets are gone: their disconnect calls are among what goes out. */
  stop(): Promise<void>;
}

/**
 * Makes the events of every namespace that the settings give to functions calls to them, those of
 * namespaces that come later too. Throws `SettingsError`.
 */
export function serveUpstream(
  all: Settings,
  { io, executor, metrics, log, lease }: ServeUpstreamNeeds,
): ServedUpstream {
  const { auth, upstream: settings } = all;
  if (!hasUpstream(all)) {
    if (auth.mode === "upstream") noDecider();
    return { deadLetters: undefined, stop: async () => {} };
  }
  const apply = (commands: readonly Command[]): void => {
    // It carries out everything before it returns; its answers have nobody else to go to.
    void executor.apply(commands, "upstream").then((answers) => {
      for (const [at, answer] of answers.entries()) {
        if (!answer.ok) tellRefused(commands[at], answer);
      }
    });
  };
  const throttled = createThrottle(log, () => performance.now());
  const tellRefused = (command: Command | undefined, { code, detail }: Refused): void => {
    const about = { command: command?.do, namespace: command?.namespace ?? "/" };
    const fields = { room: "upstream", code, ...about, detail };
    throttled("warn", code, fields, "a command of a function was refused");
  };
  const upstream = createUpstream(settings, {
    log,
    apply,
    observe: (type, seconds) => metrics.observe("sluice_upstream_call_seconds", seconds, { type }),
  });
  const { names, patterns } = upstream.namespaces;
  // With a pattern it is decided at each namespace; a name can be looked at now.
  if (auth.mode === "upstream") {
    const open = names.find((name) => !upstream.answers("connect", name, "connect"));
    if (open !== undefined) noDecider();
  }
  const forget = metrics.source(() => publishUpstream(upstream.samples()));
  const forward = createForward(settings, {
    asksConnect: (namespace) => upstream.answers("connect", namespace, "connect"),
    open: lease ? leaseLanes(io, upstream, lease) : upstream.open,
    apply,
    hold: executor.hold,
    tokenUserOf: ({ data }) =>
      auth.mode === "jwt" ? claimOf(data.user, auth.userClaim) : undefined,
    watchRemoved: (namespace, removed) =>
      watchRemoved(namespace as unknown as Namespace, (socket) =>
        removed(socket as unknown as ForwardSocket),
      ),
    // Every connection of a server that this process serves is one of ours.
    close: ({ conn }) => (conn as unknown as Connection).closeAs("upstream_full"),
    now: () => performance.now(),
  });
  const unwatch = eachNamespace(io, (namespace: Namespace) => {
    if (upstream.claims(namespace.name)) forward(asForward(namespace));
    const decided = upstream.answers("connect", namespace.name, "connect");
    if (auth.mode === "upstream" && !decided) prependMiddleware(namespace, refuse);
  });
  for (const name of names) io.of(name);
  for (const pattern of patterns) io.of(pattern);
  return {
    deadLetters: {
      list: upstream.listDeadLetters,
      async replay(ids) {
        const all = await upstream.replayDeadLetters(ids);
        const count = (...wanted: string[]) =>
          all.filter(({ outcome }) => wanted.includes(outcome)).length;
        return { replayed: count("delivered", "failed"), delivered: count("delivered") };
      },
    },
    async stop() {
      unwatch();
      await upstream.stop();
      forget();
    },
  };
}

function claimOf(claims: unknown, name: string): string | undefined {
  const value = typeof claims === "object" && claims !== null && Reflect.get(claims, name);
  return typeof value === "string" || typeof value === "number" ? `${value}` : undefined;
}

/** Where functions decide on clients, a namespace that has none lets nobody in. */
const refuse: Middleware = (_socket, next) => {
  const { text, retry } = FAILURES.AUTH_NO_DECIDER;
  next(Object.assign(new Error(text), { data: { code: "AUTH_NO_DECIDER", retry } }));
};

function noDecider(): never {
  const bound = "upstream decides on clients, but no function answers the connects of a namespace";
  throw new SettingsError([{ path: "auth.mode", value: JSON.stringify("upstream"), bound }]);
}

// A Namespace has these members; its own types say more of events than forwarding needs.
function asForward(namespace: Namespace): ForwardNamespace {
  return namespace as unknown as ForwardNamespace & { readonly socket?: ForwardSocket };
}

const BREAKERS = { closed: 0, "half-open": 1, open: 2 } as const;

/** Returns the room's samples as rows of the metric table. */
export function publishUpstream(samples: UpstreamSamples): Samples {
  const { queued, deadLetters, origins } = samples;
  return {
    sluice_upstream_calls_total: Object.entries(samples.calls).map(([key, count]) => {
      const [type = "", outcome = ""] = key.split(" ");
      return [{ type, outcome }, count];
    }),
    sluice_upstream_refused_total: Object.entries(samples.refused).map(([reason, count]) => [
      { reason },
      count,
    ]),
    sluice_upstream_batched_events_total: samples.batched,
    sluice_upstream_retries_total: samples.retries,
    sluice_upstream_queued_events: queued.events,
    sluice_upstream_queued_bytes: queued.bytes,
    sluice_upstream_inflight: origins.map(({ origin, inflight }) => [{ origin }, inflight]),
    sluice_upstream_breaker_state: origins.map(({ origin, breaker }) => [
      { origin },
      BREAKERS[breaker],
    ]),
    sluice_upstream_breaker_opened_total: origins.map(({ origin, opened }) => [{ origin }, opened]),
    sluice_upstream_gone_endpoints: samples.goneEndpoints,
    sluice_upstream_dead_letters: deadLetters.held,
    sluice_upstream_dead_lettered_total: deadLetters.added,
    sluice_upstream_dead_letters_dropped_total: deadLetters.dropped,
  };
}
