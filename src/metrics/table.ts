/** One row of the table of metrics. */
export interface MetricRow {
  readonly kind: "counter" | "gauge" | "histogram";
  /** Label names. Their values come from closed unions in the code, never from a client. */
  readonly labels: readonly string[];
  readonly help: string;
  readonly buckets?: readonly number[];
  /** How the values of several workers are combined; `sum` if absent. */
  readonly aggregate?: "first" | "max" | "min" | "average";
  /** Whether all nodes and workers have the same value with Redis, so that a sum would be wrong. */
  readonly isShared?: boolean;
}

/** Upper bounds for latencies, in seconds. */
export const SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/**
 * Every metric that Sluice exports besides those of Node.js. The docs are generated from it, and
 * tests compare alerts and dashboards with it.
 */
export const METRICS = {
  // gateway
  sluice_build_info: {
    kind: "gauge",
    labels: ["version", "uws", "binary", "node"],
    aggregate: "first",
    help: "Always 1. The labels name the version of Sluice, of uWebSockets.js and of Node.js, and the binary that was loaded.",
  },
  sluice_event_loop_utilization_ratio: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Share of the time since the last scrape in which the event loop was busy, from 0 to 1.",
  },
  sluice_event_loop_lag_seconds: {
    kind: "gauge",
    labels: ["stat"],
    aggregate: "max",
    help: "Delay of the event loop since the last scrape: median, 99th percentile and maximum. It is measured every 20 ms, or every 500 ms while the loop is busy for less than 5 % of the time.",
  },
  sluice_draining: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "1 while the gateway is stopping and takes no new connections.",
  },
  sluice_accept_pauses_total: {
    kind: "counter",
    labels: [],
    help: "Times that no connections were accepted for a while because the process had no free file descriptors.",
  },
  sluice_log_lines_dropped_total: {
    kind: "counter",
    labels: [],
    help: "Log lines that were dropped: they could not be written, or log.bufferBytesMax bytes were waiting.",
  },
  // handlers
  sluice_handler_errors_total: {
    kind: "counter",
    labels: ["kind"],
    help: "Errors thrown by listeners, middlewares and acks of the application, rejections included, by kind. process is an error that nothing caught.",
  },
  // socket
  sluice_connections: {
    kind: "gauge",
    labels: ["transport", "codec"],
    help: "Open connections, by transport and codec. The codec is unknown until the first packet.",
  },
  sluice_connections_opened_total: {
    kind: "counter",
    labels: ["transport"],
    help: "Connections opened, by their first transport.",
  },
  sluice_connections_upgraded_total: {
    kind: "counter",
    labels: [],
    help: "Connections upgraded from long-polling to WebSocket.",
  },
  sluice_connections_closed_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Closed connections, each counted once, by close reason.",
  },
  sluice_handshakes_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Handshake and upgrade requests that were refused, by reason. No connection existed yet.",
  },
  sluice_packets_received_total: {
    kind: "counter",
    labels: ["type"],
    help: "Engine.IO packets received, by type.",
  },
  sluice_packets_sent_total: {
    kind: "counter",
    labels: ["type"],
    help: "Engine.IO packets given to a transport or a broadcast topic, by type.",
  },
  sluice_received_bytes_total: {
    kind: "counter",
    labels: [],
    help: "Bytes of received packets, without WebSocket or HTTP framing.",
  },
  sluice_sent_bytes_total: {
    kind: "counter",
    labels: [],
    help: "Bytes of sent packets, without WebSocket or HTTP framing. A broadcast counts once per recipient.",
  },
  sluice_drains_total: {
    kind: "counter",
    labels: [],
    help: "Times that a connection sent all of its unsent bytes.",
  },
  sluice_pressured_connections: {
    kind: "gauge",
    labels: [],
    help: "Connections with bytes that wait in this process because the client reads too slowly.",
  },
  sluice_paused_connections: {
    kind: "gauge",
    labels: [],
    help: "Connections that are not read at the moment because their events wait for functions.",
  },
  sluice_pauses_total: {
    kind: "counter",
    labels: [],
    help: "Times that reading from a connection was paused.",
  },
  sluice_send_buffer_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes that wait in this process for clients that read too slowly, at the last check.",
  },
  sluice_send_buffer_max_bytes: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Bytes that wait in this process for the slowest client.",
  },
  sluice_receive_buffer_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of packets that wait for their attachments, and of long-polling payloads that are arriving.",
  },
  sluice_slow_consumers_total: {
    kind: "counter",
    labels: [],
    help: "Connections closed because their client read too slowly.",
  },
  sluice_volatile_dropped_total: {
    kind: "counter",
    labels: [],
    help: "Volatile packets dropped because the client had not yet read earlier packets.",
  },
  sluice_pressure_seconds: {
    kind: "histogram",
    labels: [],
    buckets: SECONDS,
    help: "How long bytes waited for a client that read too slowly, until all of them were sent.",
  },
  sluice_drain_remaining_connections: {
    kind: "gauge",
    labels: [],
    help: "Connections that a stopping gateway has not closed yet.",
  },
  // codec
  sluice_codec_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Packets refused by the codec, by failure code. Each closed its connection.",
  },
  sluice_codec_decoded_total: {
    kind: "counter",
    labels: ["codec"],
    help: "Packets decoded, by codec.",
  },
  sluice_codec_encoded_total: {
    kind: "counter",
    labels: ["codec"],
    help: "Packets encoded, by codec. A broadcast adds at most one per codec.",
  },
  // door
  sluice_limited_total: {
    kind: "counter",
    labels: ["limit"],
    help: "Times that a connection or socket was refused something because a limit was reached, by limit.",
  },
  sluice_authentications_total: {
    kind: "counter",
    labels: ["result"],
    help: "Tokens checked, by result.",
  },
  sluice_authentication_seconds: {
    kind: "histogram",
    labels: [],
    help: "Time to check a token.",
    buckets: SECONDS,
  },
  sluice_tokens_watched: {
    kind: "gauge",
    labels: [],
    help: "Sockets whose token expires at some time.",
  },
  sluice_key_set_fetches_total: {
    kind: "counter",
    labels: ["result"],
    help: "Fetches of the key set that tokens are checked with, by result.",
  },
  sluice_connections_outside: {
    kind: "gauge",
    labels: [],
    help: "Connections that have joined no namespace yet. Each may hold an unfinished message of up to socket.packetBytesMax, which cannot be measured.",
  },
  sluice_overload_stage: {
    kind: "gauge",
    labels: ["stage"],
    aggregate: "max",
    help: "1 while a stage of overload protection is active: refuse, idle, slow.",
  },
  // fanout
  sluice_broadcasts_total: {
    kind: "counter",
    labels: ["shape"],
    help: "Broadcasts, by the shape of their recipients.",
  },
  sluice_deliveries_total: {
    kind: "counter",
    labels: [],
    help: "Packets sent by broadcasts: a broadcast to N connections adds N.",
  },
  sluice_fanout_slow_sockets: {
    kind: "gauge",
    labels: [],
    help: "Sockets to which broadcasts are sent one by one: long-polling, Engine.IO 3, or unsent bytes.",
  },
  sluice_fanout_union_topics: {
    kind: "gauge",
    labels: [],
    help: "Combinations of rooms that broadcasts address together so often that they have a topic of their own.",
  },
  sluice_fanout_union_members: {
    kind: "gauge",
    labels: [],
    help: "Sockets in the topics of such combinations of rooms, at most fanout.unionMembersMax.",
  },
  sluice_fanout_acks_pending: {
    kind: "gauge",
    labels: [],
    help: "Acknowledgements of broadcasts and emitWithAck commands that are awaited now.",
  },
  sluice_fanout_acks_missed_total: {
    kind: "counter",
    labels: [],
    help: "Acknowledgements of broadcasts and emitWithAck commands that did not arrive before the timeout.",
  },
  sluice_fanout_acks_refused_total: {
    kind: "counter",
    labels: [],
    help: "Broadcasts and emitWithAck commands that were not sent because fanout.acksPendingMax acknowledgements were awaited.",
  },
  sluice_fanout_delayed_commands: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Commands with afterMs that wait, at most fanout.delayedMax: with Redis of all nodes, else of this node and its workers.",
  },
  sluice_fanout_delayed_bytes: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Bytes of the commands with afterMs that wait, at most fanout.delayedBytesMax.",
  },
  sluice_fanout_delays_kept_total: {
    kind: "counter",
    labels: [],
    help: "Commands with afterMs that were accepted and kept until their time.",
  },
  sluice_fanout_delays_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "Outcomes of commands with afterMs: done; refused when due; cancelled; replaced by one with the same key; lost with this process; unreadable, because no node with the same cluster.busKey wrote what Redis held; full, because too many were waiting; away, because Redis was away.",
  },
  sluice_fanout_delay_late_seconds: {
    kind: "histogram",
    labels: [],
    buckets: SECONDS,
    help: "How long after their time commands with afterMs were carried out.",
  },
  // recovery
  sluice_recoveries_total: {
    kind: "counter",
    labels: ["result"],
    help: "Clients that reconnected with a session and an offset, by whether they were recovered.",
  },
  sluice_recovered_packets_total: {
    kind: "counter",
    labels: [],
    help: "Missed packets sent to clients that reconnected.",
  },
  sluice_recovery_packets: {
    kind: "gauge",
    labels: [],
    help: "Packets kept for clients that may reconnect.",
  },
  sluice_recovery_bytes: {
    kind: "gauge",
    labels: [],
    help: "Approximate bytes of the packets and sessions kept for clients that may reconnect.",
  },
  sluice_recovery_sessions: {
    kind: "gauge",
    labels: [],
    help: "Sessions of lost connections that can still be resumed.",
  },
  sluice_recovery_kept_sessions: {
    kind: "gauge",
    labels: [],
    help: "Sessions of connected sockets that Redis keeps in case this node dies.",
  },
  sluice_recovery_unfit_sessions_total: {
    kind: "counter",
    labels: [],
    help: "Sessions that were not stored in Redis: larger than recovery.sessionBytesMax, or with `data` that cannot be serialized.",
  },
  sluice_recovery_dropped_packets_total: {
    kind: "counter",
    labels: [],
    help: "Packets dropped early because recovery.packetsMax or recovery.bytesMax was reached.",
  },
  sluice_recovery_dropped_sessions_total: {
    kind: "counter",
    labels: [],
    help: "Sessions dropped from the memory of this process because of recovery.sessionsMax, recovery.bytesMax or recovery.sessionBytesMax.",
  },
  // api
  sluice_commands_total: {
    kind: "counter",
    labels: ["command", "caller", "outcome"],
    help: "Commands carried out or refused, by caller and outcome. A command with afterMs counts twice: when it is kept and when it is carried out.",
  },
  sluice_api_requests_total: {
    kind: "counter",
    labels: ["route", "status"],
    help: "HTTP requests by route and status. The route is none if no route matched; the status is aborted if the client closed the connection first.",
  },
  sluice_api_request_seconds: {
    kind: "histogram",
    labels: ["route"],
    help: "Time from the headers of a request to its response; for streams, to their end.",
    buckets: SECONDS,
  },
  sluice_api_open_bodies: {
    kind: "gauge",
    labels: [],
    help: "Request bodies and command streams that are open, at most api.bodiesMax.",
  },
  sluice_api_body_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of request bodies that are still arriving, at most api.bodiesBytesMax.",
  },
  sluice_api_idempotency_keys: {
    kind: "gauge",
    labels: [],
    help: "Idempotency-Keys whose responses are kept.",
  },
  sluice_api_idempotency_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of responses kept for Idempotency-Keys, at most api.idempotencyBytesMax.",
  },
  // http
  sluice_http_requests_total: {
    kind: "counter",
    labels: ["status"],
    help: "Requests for the application's own HTTP handler, by class of the response's status, such as 2xx; aborted if the connection closed before the response's end.",
  },
  sluice_http_request_seconds: {
    kind: "histogram",
    labels: [],
    help: "Time from the headers of a request for the application's own HTTP handler to the end of its response.",
    buckets: SECONDS,
  },
  sluice_http_open_requests: {
    kind: "gauge",
    labels: [],
    help: "Requests for the application's own HTTP handler that are open; http.requestsMax bounds them.",
  },
  // upstream
  sluice_upstream_calls_total: {
    kind: "counter",
    labels: ["type", "route", "outcome"],
    help: "Finished requests to functions, by type of call, route and outcome. The outcome is answered or a failure code.",
  },
  sluice_upstream_call_seconds: {
    kind: "histogram",
    labels: ["type", "route"],
    buckets: SECONDS,
    help: "How long each request to a function took; each attempt counts.",
  },
  sluice_upstream_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Events, connects and disconnects that were refused before any request, by failure code.",
  },
  sluice_upstream_states_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "Answers that set data or rooms: done, old (the answer to a later call came first), or too_large.",
  },
  sluice_upstream_batched_events_total: {
    kind: "counter",
    labels: [],
    help: "Events sent in batches.",
  },
  sluice_upstream_retries_total: {
    kind: "counter",
    labels: [],
    help: "Requests that were retries.",
  },
  sluice_upstream_queued_events: {
    kind: "gauge",
    labels: [],
    help: "Events, connects and disconnects that are not finished: they wait, are open, or are between attempts.",
  },
  sluice_upstream_queued_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of the bodies of unfinished events, connects and disconnects.",
  },
  sluice_upstream_paused_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of events accepted above the limits because they had been read before their connection was paused: at most upstream.pausedBytesMax for each socket, and upstream.queueBytesMax for all.",
  },
  sluice_upstream_inflight: {
    kind: "gauge",
    labels: ["origin"],
    help: "Requests that are open, by origin.",
  },
  sluice_upstream_breaker_state: {
    kind: "gauge",
    labels: ["origin"],
    aggregate: "max",
    help: "State of an origin's circuit breaker: 0 closed, functions are called; 1 half-open, one call tests the origin; 2 open, functions are not called.",
  },
  sluice_upstream_breaker_opened_total: {
    kind: "counter",
    labels: ["origin"],
    help: "Times that an origin's circuit breaker opened.",
  },
  sluice_upstream_gone_endpoints: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Routes that are not called for upstream.goneMs because their function answered 410.",
  },
  sluice_upstream_dead_letters: {
    kind: "gauge",
    labels: [],
    isShared: true,
    help: "Dead letters that are kept: events whose last attempt failed. In Redis they are one list, and every node says its length: take the maximum of the nodes. In memory (upstream.durable) take the sum.",
  },
  sluice_upstream_dead_lettered_total: {
    kind: "counter",
    labels: [],
    help: "Events that became dead letters because their last attempt failed.",
  },
  sluice_upstream_dead_letters_dropped_total: {
    kind: "counter",
    labels: [],
    help: "Dead letters dropped because the list was full, the oldest first.",
  },
  sluice_upstream_journal_entries: {
    kind: "gauge",
    labels: [],
    help: "Unfinished calls of this node that are stored in Redis.",
  },
  sluice_upstream_journal_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of the unfinished calls of this node that are stored in Redis.",
  },
  sluice_upstream_journal_unconfirmed_total: {
    kind: "counter",
    labels: [],
    help: "Calls that Redis did not confirm in time. They continued in memory, or were refused.",
  },
  sluice_upstream_adopted_total: {
    kind: "counter",
    labels: [],
    help: "Calls of dead or stopped nodes that this node has taken over.",
  },
  // cluster
  sluice_cluster_redis_up: {
    kind: "gauge",
    labels: [],
    aggregate: "min",
    help: "1 while Redis, or the primary of the workers, answers; 0 while it is away, and if there is neither.",
  },
  sluice_cluster_messages_total: {
    kind: "counter",
    labels: ["direction"],
    help: "Messages to and from other nodes or workers, by direction.",
  },
  sluice_cluster_bytes_total: {
    kind: "counter",
    labels: ["direction"],
    help: "Bytes of messages to and from other nodes or workers, by direction.",
  },
  sluice_cluster_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Messages from other nodes or workers that were refused, by reason: too large, of unknown shape, unsigned or repeated.",
  },
  sluice_cluster_missed_total: {
    kind: "counter",
    labels: [],
    help: "Messages that did not reach other nodes or workers: Redis or the primary was away or too slow, or they could not be serialized.",
  },
  sluice_cluster_gaps_total: {
    kind: "counter",
    labels: [],
    help: "Times that this node or worker may have missed messages of a namespace, and so closed its connections there.",
  },
  sluice_cluster_scrapes_missed_total: {
    kind: "counter",
    labels: [],
    help: "Times that a worker did not answer a scrape in time. Gauges then leave it out, and totals use its last values.",
  },
  sluice_cluster_errors_total: {
    kind: "counter",
    labels: [],
    help: "Failed commands and connections to Redis, and messages between nodes or workers that could not be sent or carried out.",
  },
  sluice_cluster_request_timeouts_total: {
    kind: "counter",
    labels: [],
    help: "Requests to other nodes or workers that some of them did not answer in time.",
  },
  sluice_cluster_reconnects_total: {
    kind: "counter",
    labels: [],
    help: "Reconnections to Redis.",
  },
  sluice_cluster_nodes: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Nodes that are alive, this one included.",
  },
  sluice_cluster_lost_sockets_total: {
    kind: "counter",
    labels: [],
    help: "Sockets of dead nodes that this node has reported to functions as disconnected.",
  },
  sluice_cluster_leases_taken_total: {
    kind: "counter",
    labels: [],
    help: "Times that another node considered this node dead.",
  },
  sluice_cluster_lag_seconds: {
    kind: "histogram",
    labels: [],
    buckets: SECONDS,
    help: "Age of broadcasts and room changes when this node gets them, by the clocks of Redis and of this node.",
  },
  // trace
  sluice_trace_spans_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "Finished sampled spans, by outcome: exported; dropped, because trace.queueMax spans were waiting; failed, because the collector did not accept them.",
  },
  sluice_trace_queued_spans: {
    kind: "gauge",
    labels: [],
    help: "Spans that wait for the collector, or are being sent to it.",
  },
} as const satisfies Record<string, MetricRow>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;
