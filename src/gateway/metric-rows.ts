import type { ApiSamples } from "../api/api.ts";
import type { LeaseSamples } from "../cluster/lease.ts";
import type { BusSamples } from "../cluster/log/carrier.ts";
import type { SessionsSamples } from "../cluster/sessions.ts";
import type { DelaySamples } from "../core/delays.ts";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import { zeros } from "../core/zeros.ts";
import type { DoorSamples } from "../door/door.ts";
import type { RecoverySamples } from "../fanout/recovery.ts";
import type { AppSamples } from "../http/server.ts";
import type { LoopSamples } from "../metrics/loop.ts";
import type { Labels, Samples } from "../metrics/registry.ts";
import type { TraceSamples } from "../trace/queue.ts";
import type { UpstreamSamples } from "../upstream/samples.ts";
import type { AttachedSamples } from "./serve-socket.ts";

/**
 * A count of 0 for each reason. A counter that appears with its first event shows no growth by it,
 * and an alert misses that event.
 */
const NO_PACKETS = zeros(Object.keys(FAILURES).filter((code) => code.startsWith("CODEC_")));
const NO_EVENTS = zeros([
  "UPSTREAM_OPEN",
  "UPSTREAM_TIMEOUT",
  "UPSTREAM_QUEUE_FULL",
  "UPSTREAM_SATURATED",
  "UPSTREAM_PAUSED",
  "UPSTREAM_NO_ROUTE",
  "UPSTREAM_BAD_ARGS",
  "UPSTREAM_AWAY",
  "UPSTREAM_STOPPING",
] as const satisfies readonly FailureCode[]);
const NO_REQUESTS = zeros(["2xx", "3xx", "4xx", "5xx", "aborted"]);

/** Returns the samples of `socket/`, `codec/` and `fanout/` as rows of the metric table. */
export function listAttachedRows({ socket, codec, fanout }: AttachedSamples): Samples {
  return {
    sluice_connections: by(socket.connections, "transport", "codec"),
    sluice_connections_opened_total: by(socket.opened, "transport"),
    sluice_connections_upgraded_total: socket.upgraded,
    sluice_connections_closed_total: by(socket.closed, "reason"),
    sluice_handshakes_refused_total: by(socket.refused, "reason"),
    sluice_packets_received_total: by(socket.received, "type"),
    sluice_packets_sent_total: by(
      { ...socket.sent, message: socket.sent.message + fanout.framesOut },
      "type",
    ),
    sluice_received_bytes_total: socket.receivedBytes,
    sluice_sent_bytes_total: socket.sentBytes + fanout.bytesOut,
    sluice_drains_total: socket.drains,
    sluice_pressured_connections: socket.pressured,
    sluice_paused_connections: socket.paused,
    sluice_pauses_total: socket.pauses,
    sluice_send_buffer_bytes: socket.heldBytes,
    sluice_send_buffer_max_bytes: socket.heldBytesMax,
    sluice_receive_buffer_bytes: socket.inboundBytes,
    sluice_slow_consumers_total: socket.closed.slow_consumer,
    sluice_volatile_dropped_total: socket.volatileDropped,
    sluice_codec_refused_total: by({ ...NO_PACKETS, ...codec.refused }, "reason"),
    sluice_codec_decoded_total: by(codec.decoded, "codec"),
    sluice_codec_encoded_total: by(codec.encoded, "codec"),
    sluice_broadcasts_total: by(fanout.broadcasts, "shape"),
    sluice_deliveries_total: fanout.deliveries,
    sluice_fanout_slow_sockets: fanout.slow,
    sluice_fanout_union_topics: fanout.unionTopics,
    sluice_fanout_union_members: fanout.unionMembers,
    sluice_fanout_acks_pending: fanout.acksPending,
    sluice_fanout_acks_missed_total: fanout.acksMissed,
    sluice_fanout_acks_refused_total: fanout.acksRefused,
  };
}

/** Returns the samples of commands that wait for their time as rows of the metric table. */
export function listDelayRows({ pending, bytes, kept, outcomes }: DelaySamples): Samples {
  return {
    sluice_fanout_delayed_commands: pending,
    sluice_fanout_delayed_bytes: bytes,
    sluice_fanout_delays_kept_total: kept,
    sluice_fanout_delays_total: by(outcomes, "outcome"),
  };
}

/** Returns the samples of `door/` as rows of the metric table. */
export function listDoorRows(door: DoorSamples): Samples {
  return {
    sluice_limited_total: by(door.limited, "limit"),
    sluice_authentications_total: by(door.authenticated, "result"),
    sluice_connections_outside: door.outside(),
    sluice_tokens_watched: door.tokensWatched(),
    sluice_key_set_fetches_total: by(door.keySetFetches, "result"),
    sluice_overload_stage: door.stages().map(([stage, active]) => [{ stage }, active] as const),
  };
}

/** Returns how often handlers of the application failed, as a row of the metric table. */
export function listMistakeRows(samples: Readonly<Record<string, number>>): Samples {
  return { sluice_handler_errors_total: by(samples, "kind") };
}

/** Returns the samples of the bus, over Redis or the primary, as rows of the metric table. */
export function listBusRows(bus: BusSamples): Samples {
  return {
    sluice_cluster_redis_up: bus.here,
    sluice_cluster_refused_total: by(bus.refused, "reason"),
    sluice_cluster_reconnects_total: bus.reconnects,
    sluice_cluster_messages_total: by(bus.messages, "direction"),
    sluice_cluster_bytes_total: by(bus.bytes, "direction"),
    sluice_cluster_missed_total: bus.missed,
    sluice_cluster_gaps_total: bus.gaps,
    sluice_cluster_errors_total: bus.errors,
    sluice_cluster_request_timeouts_total: bus.timeouts,
  };
}

/** Returns the samples of this node's lease as rows of the metric table. */
export function listLeaseRows(lease: LeaseSamples): Samples {
  return {
    sluice_cluster_nodes: lease.nodes,
    sluice_cluster_lost_sockets_total: lease.lostSockets,
    sluice_cluster_leases_taken_total: lease.taken,
  };
}

/** Returns the samples of the sessions in Redis as rows of the metric table. */
export function listSessionRows(sessions: SessionsSamples): Samples {
  return {
    sluice_recovery_kept_sessions: sessions.kept,
    sluice_recovery_unfit_sessions_total: sessions.unfit,
  };
}

/** Returns the samples of connection state recovery as rows of the metric table. */
export function listRecoveryRows(recovery: RecoverySamples): Samples {
  return {
    sluice_recoveries_total: by(
      { recovered: recovery.recovered, refused: recovery.refused },
      "result",
    ),
    sluice_recovered_packets_total: recovery.recoveredPackets,
    sluice_recovery_packets: recovery.packets,
    sluice_recovery_bytes: recovery.bytes,
    sluice_recovery_sessions: recovery.sessions,
    sluice_recovery_dropped_packets_total: recovery.droppedPackets,
    sluice_recovery_dropped_sessions_total: recovery.droppedSessions,
  };
}

const BREAKERS = { closed: 0, "half-open": 1, open: 2 } as const;

/** Returns the samples of the calls to functions as rows of the metric table. */
export function listUpstreamRows(samples: UpstreamSamples): Samples {
  const { queued, deadLetters, origins, journal } = samples;
  return {
    sluice_upstream_calls_total: by(samples.calls, "type", "route", "outcome"),
    sluice_upstream_refused_total: by({ ...NO_EVENTS, ...samples.refused }, "reason"),
    sluice_upstream_states_total: by(samples.states, "outcome"),
    sluice_upstream_batched_events_total: samples.batched,
    sluice_upstream_retries_total: samples.retries,
    sluice_upstream_queued_events: queued.events,
    sluice_upstream_queued_bytes: queued.bytes,
    sluice_upstream_paused_bytes: queued.pausedBytes,
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
    sluice_upstream_journal_entries: journal?.entries ?? 0,
    sluice_upstream_journal_bytes: journal?.bytes ?? 0,
    sluice_upstream_journal_unconfirmed_total: journal?.unconfirmed ?? 0,
    sluice_upstream_adopted_total: journal?.adopted ?? 0,
  };
}

/** Returns the samples of the traces as rows of the metric table. */
export function listTraceRows({ queued, ...ended }: TraceSamples): Samples {
  return { sluice_trace_spans_total: by(ended, "outcome"), sluice_trace_queued_spans: queued };
}

/** What the process counts: its build, its event loop, its log and its stop. */
export interface ProcessSamples {
  readonly build: {
    readonly version: string;
    /** The version of uWebSockets.js. */
    readonly uws: string;
    readonly binary: string;
    readonly node: string;
  };
  readonly loop: LoopSamples;
  readonly linesDropped: number;
  readonly acceptPauses: number;
  readonly isDraining: boolean;
  /** Connections left to close in a drain. */
  readonly remaining: number;
}

/** Returns the samples of the process as rows of the metric table. */
export function listProcessRows({ build, loop, ...samples }: ProcessSamples): Samples {
  return {
    sluice_build_info: [[build, 1]],
    sluice_event_loop_utilization_ratio: loop.utilization,
    sluice_event_loop_lag_seconds: by(loop.lagSeconds, "stat"),
    sluice_log_lines_dropped_total: samples.linesDropped,
    sluice_accept_pauses_total: samples.acceptPauses,
    sluice_draining: Number(samples.isDraining),
    sluice_drain_remaining_connections: samples.remaining,
  };
}

/** Returns the samples of the application's own HTTP as rows of the metric table. */
export function listAppRows({ open, ended }: AppSamples): Samples {
  return {
    sluice_http_requests_total: by({ ...NO_REQUESTS, ...ended }, "status"),
    sluice_http_open_requests: open,
  };
}

/** What was counted around the HTTP API. */
export interface ApiCounts {
  readonly api: ApiSamples;
  /** Requests by `route status`; the route is `none` for a path or method that has no route. */
  readonly requests: Readonly<Record<string, number>>;
  /** Commands by `command caller outcome`. */
  readonly commands: Readonly<Record<string, number>>;
}

/** Returns the samples of the HTTP API as rows of the metric table. */
export function listApiRows({ api, requests, commands }: ApiCounts): Samples {
  return {
    sluice_commands_total: by(commands, "command", "caller", "outcome"),
    sluice_api_requests_total: by(requests, "route", "status"),
    sluice_api_open_bodies: api.openBodies,
    sluice_api_body_bytes: api.bodyBytes,
    sluice_api_idempotency_keys: api.idempotencyKeys,
    sluice_api_idempotency_bytes: api.idempotencyBytes,
  };
}

/** Returns one series per count. A key holds the values of the labels, with spaces between them. */
function by(
  counts: Readonly<Record<string, number>>,
  ...labels: readonly string[]
): (readonly [Labels, number])[] {
  return Object.entries(counts).map(([key, count]) => {
    const values = key.split(" ");
    return [Object.fromEntries(labels.map((label, at) => [label, values[at] ?? ""])), count];
  });
}
