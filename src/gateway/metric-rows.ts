import type { BusSamples } from "../cluster/bus.ts";
import type { LeaseSamples } from "../cluster/lease.ts";
import type { SessionsSamples } from "../cluster/sessions.ts";
import type { RecoverySamples } from "../fanout/recovery.ts";
import type { Labels, Samples } from "../metrics/registry.ts";
import type { UpstreamSamples } from "../upstream/samples.ts";
import type { AttachedSamples } from "./attach.ts";

/** Returns the samples of `socket/`, `codec/` and `fanout/` as rows of the metric table. */
export function listAttachedRows({ socket, door, codec, fanout }: AttachedSamples): Samples {
  return {
    sluice_connections: Object.entries(socket.connections).map(([key, open]) => {
      const [transport = "", codec = ""] = key.split(" ");
      return [{ transport, codec }, open];
    }),
    sluice_connections_opened_total: by("transport", socket.opened),
    sluice_connections_upgraded_total: socket.upgraded,
    sluice_connections_closed_total: by("reason", socket.closed),
    sluice_handshakes_refused_total: by("reason", socket.refused),
    sluice_packets_received_total: by("type", socket.received),
    sluice_packets_sent_total: by("type", {
      ...socket.sent,
      message: socket.sent.message + fanout.framesOut,
    }),
    sluice_received_bytes_total: socket.receivedBytes,
    sluice_sent_bytes_total: socket.sentBytes + fanout.bytesOut,
    sluice_drains_total: socket.drains,
    sluice_pressured_connections: socket.pressured,
    sluice_send_buffer_bytes: socket.heldBytes,
    sluice_send_buffer_max_bytes: socket.heldBytesMax,
    sluice_receive_buffer_bytes: socket.inboundBytes,
    sluice_slow_consumers_total: socket.closed.slow_consumer,
    sluice_volatile_dropped_total: socket.volatileDropped,
    ...(door && {
      sluice_limited_total: by("limit", door.limited),
      sluice_authentications_total: by("result", door.authenticated),
      sluice_connections_outside: door.outside(),
      sluice_tokens_watched: door.tokensWatched(),
      sluice_key_set_fetches_total: by("result", door.keySetFetches),
      sluice_overload_stage: door.stages().map(([stage, active]) => [{ stage }, active] as const),
    }),
    sluice_codec_refused_total: by("reason", codec.refused),
    sluice_codec_decoded_total: by("codec", codec.decoded),
    sluice_codec_encoded_total: by("codec", codec.encoded),
    sluice_broadcasts_total: by("shape", fanout.broadcasts),
    sluice_deliveries_total: fanout.deliveries,
    sluice_fanout_slow_sockets: fanout.slow,
    sluice_fanout_union_topics: fanout.unionTopics,
    sluice_fanout_union_members: fanout.unionMembers,
    sluice_fanout_acks_pending: fanout.acksPending,
    sluice_fanout_acks_missed_total: fanout.acksMissed,
    sluice_fanout_acks_refused_total: fanout.acksRefused,
  };
}

/** Returns how often handlers of the application failed, as a row of the metric table. */
export function listMistakeRows(samples: Readonly<Record<string, number>>): Samples {
  return { sluice_handler_errors_total: by("kind", samples) };
}

/** Returns the samples of the bus as rows of the metric table. */
export function listBusRows(bus: BusSamples): Samples {
  return {
    sluice_cluster_redis_up: bus.here,
    sluice_cluster_messages_total: by("direction", bus.messages),
    sluice_cluster_bytes_total: by("direction", bus.bytes),
    sluice_cluster_refused_total: by("reason", bus.refused),
    sluice_cluster_missed_total: bus.missed,
    sluice_cluster_gaps_total: bus.gaps,
    sluice_cluster_errors_total: bus.errors,
    sluice_cluster_request_timeouts_total: bus.timeouts,
    sluice_cluster_reconnects_total: bus.reconnects,
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
    sluice_recoveries_total: by("result", {
      recovered: recovery.recovered,
      refused: recovery.refused,
    }),
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
  const { queued, deadLetters, origins } = samples;
  return {
    sluice_upstream_calls_total: Object.entries(samples.calls).map(([key, count]) => {
      const [type = "", outcome = ""] = key.split(" ");
      return [{ type, outcome }, count];
    }),
    sluice_upstream_refused_total: by("reason", samples.refused),
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

function by(
  label: string,
  values: Readonly<Record<string, number>>,
): (readonly [Labels, number])[] {
  return Object.entries(values).map(([value, count]) => [{ [label]: value }, count]);
}
