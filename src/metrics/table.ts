/** One row of the table of metrics. */
export interface MetricRow {
  readonly kind: "counter" | "gauge" | "histogram";
  /** Label names. Their values come from closed unions in the code, never from a client. */
  readonly labels: readonly string[];
  readonly help: string;
  readonly buckets?: readonly number[];
  /** How the values of several workers are combined; `sum` if absent. */
  readonly aggregate?: "first" | "max" | "min" | "average";
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
    help: "Always 1; the labels name this build, the uWebSockets.js version and which binary loaded.",
  },
  sluice_event_loop_utilization_ratio: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Share of the time since the last scrape in which the event loop was busy, 0 to 1.",
  },
  sluice_event_loop_lag_seconds: {
    kind: "gauge",
    labels: ["stat"],
    aggregate: "max",
    help: "Delay of the event loop since the last scrape: median, 99th percentile and maximum of what is seen every 20 ms, or every 500 ms while it is busy for less than 5 % of the time.",
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
    help: "Times that accepting connections was paused because the process had no free file descriptors.",
  },
  sluice_log_lines_dropped_total: {
    kind: "counter",
    labels: [],
    help: "Log lines that could not be written, or waited for a slow reader beyond log.bufferBytesMax.",
  },
  // handlers
  sluice_handler_errors_total: {
    kind: "counter",
    labels: ["kind"],
    help: "Listeners, middlewares and acks of the application that threw or rejected, by what was called; process is what nobody caught.",
  },
  // socket
  sluice_connections: {
    kind: "gauge",
    labels: ["transport", "codec"],
    help: "Open connections by transport and codec; the codec is unknown until the first packet.",
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
    help: "Connections closed, each once, by the reason in the table of closes.",
  },
  sluice_handshakes_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Handshake and upgrade requests refused before a connection existed.",
  },
  sluice_packets_received_total: {
    kind: "counter",
    labels: ["type"],
    help: "Engine.IO packets received, by type.",
  },
  sluice_packets_sent_total: {
    kind: "counter",
    labels: ["type"],
    help: "Engine.IO packets handed to a transport or a topic, by type.",
  },
  sluice_received_bytes_total: {
    kind: "counter",
    labels: [],
    help: "Bytes of received packets, without framing.",
  },
  sluice_sent_bytes_total: {
    kind: "counter",
    labels: [],
    help: "Bytes of sent packets, without framing, broadcasts counted per recipient.",
  },
  sluice_drains_total: {
    kind: "counter",
    labels: [],
    help: "Times that a connection with unsent bytes caught up.",
  },
  sluice_pressured_connections: {
    kind: "gauge",
    labels: [],
    help: "Connections whose client reads too slowly now, so that bytes wait in this process.",
  },
  sluice_paused_connections: {
    kind: "gauge",
    labels: [],
    help: "Connections that are not read from now, because their events wait for functions.",
  },
  sluice_pauses_total: {
    kind: "counter",
    labels: [],
    help: "Times that reading from a connection was paused.",
  },
  sluice_send_buffer_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes that wait in this process for clients that read too slowly, when last checked.",
  },
  sluice_send_buffer_max_bytes: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "The most bytes that wait for one client.",
  },
  sluice_receive_buffer_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of packets that wait for attachments and of long-polling payloads that are arriving.",
  },
  sluice_slow_consumers_total: {
    kind: "counter",
    labels: [],
    help: "Connections closed because they did not read fast enough.",
  },
  sluice_volatile_dropped_total: {
    kind: "counter",
    labels: [],
    help: "Volatile packets dropped because their recipient had not read what was sent before.",
  },
  sluice_pressure_seconds: {
    kind: "histogram",
    labels: [],
    buckets: SECONDS,
    help: "How long bytes waited for a client that read too slowly, each time until it had caught up.",
  },
  sluice_drain_remaining_connections: {
    kind: "gauge",
    labels: [],
    help: "Connections that a stop has yet to close.",
  },
  // codec
  sluice_codec_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Packets refused by the codec, each of which closed its connection, by failure code.",
  },
  sluice_codec_decoded_total: {
    kind: "counter",
    labels: ["codec"],
    help: "Packets decoded, by codec.",
  },
  sluice_codec_encoded_total: {
    kind: "counter",
    labels: ["codec"],
    help: "Packets encoded, by codec: a broadcast adds at most one to each.",
  },
  // door
  sluice_limited_total: {
    kind: "counter",
    labels: ["limit"],
    help: "Times that a connection or socket was refused something because it was over a limit, by limit.",
  },
  sluice_authentications_total: {
    kind: "counter",
    labels: ["result"],
    help: "Tokens checked, by result.",
  },
  sluice_authentication_seconds: {
    kind: "histogram",
    labels: [],
    help: "Time from reading a token to knowing what it grants.",
    buckets: SECONDS,
  },
  sluice_tokens_watched: {
    kind: "gauge",
    labels: [],
    help: "Sockets whose token has an expiry.",
  },
  sluice_key_set_fetches_total: {
    kind: "counter",
    labels: ["result"],
    help: "Fetches of the key set that tokens are checked against.",
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
    help: "1 while a stage of load shedding is active: refuse, idle, slow.",
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
    help: "Packets handed to recipients by broadcasts: a broadcast to N connections adds N.",
  },
  sluice_fanout_slow_sockets: {
    kind: "gauge",
    labels: [],
    help: "Sockets that broadcasts reach one by one: on long-polling, with Engine.IO 3, or with unsent bytes.",
  },
  sluice_fanout_union_topics: {
    kind: "gauge",
    labels: [],
    help: "Groups of rooms that broadcasts address together so often that they have a topic of their own.",
  },
  sluice_fanout_union_members: {
    kind: "gauge",
    labels: [],
    help: "Sockets in the topics of such groups of rooms; fanout.unionMembersMax bounds them.",
  },
  sluice_fanout_acks_pending: {
    kind: "gauge",
    labels: [],
    help: "Acknowledgements of broadcasts and emitWithAck commands that are awaited now.",
  },
  sluice_fanout_acks_missed_total: {
    kind: "counter",
    labels: [],
    help: "Acknowledgements of broadcasts and emitWithAck commands that did not come before their timeout.",
  },
  sluice_fanout_acks_refused_total: {
    kind: "counter",
    labels: [],
    help: "Broadcasts and emitWithAck commands not sent because fanout.acksPendingMax acknowledgements were awaited.",
  },
  sluice_fanout_delayed_commands: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Commands with afterMs that wait for their time: with Redis of all nodes, else of this one and its workers. fanout.delayedMax bounds them.",
  },
  sluice_fanout_delayed_bytes: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Bytes of the commands that wait for their time; fanout.delayedBytesMax bounds them.",
  },
  sluice_fanout_delays_kept_total: {
    kind: "counter",
    labels: [],
    help: "Commands with afterMs that were kept until their time.",
  },
  sluice_fanout_delays_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "What became of commands with afterMs: done, refused when they were due, cancelled, replaced by one with the same key, lost with this process, unreadable because what Redis held was not written by a node with the same cluster.busKey, or not kept because there were too many (full) or Redis was away.",
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
    help: "Clients that came back with a session and an offset, by whether they got it back.",
  },
  sluice_recovered_packets_total: {
    kind: "counter",
    labels: [],
    help: "Missed packets sent to clients that came back.",
  },
  sluice_recovery_packets: {
    kind: "gauge",
    labels: [],
    help: "Packets kept for clients that may come back.",
  },
  sluice_recovery_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of the packets and sessions kept for clients that may come back, roughly.",
  },
  sluice_recovery_sessions: {
    kind: "gauge",
    labels: [],
    help: "Lost sessions that can still be resumed.",
  },
  sluice_recovery_kept_sessions: {
    kind: "gauge",
    labels: [],
    help: "Sessions of connected sockets that Redis keeps for when this node dies.",
  },
  sluice_recovery_unfit_sessions_total: {
    kind: "counter",
    labels: [],
    help: "Sessions not stored in Redis: above recovery.sessionBytesMax, or `data` cannot be serialized.",
  },
  sluice_recovery_dropped_packets_total: {
    kind: "counter",
    labels: [],
    help: "Packets forgotten before their time because recovery.packetsMax or bytesMax was reached.",
  },
  sluice_recovery_dropped_sessions_total: {
    kind: "counter",
    labels: [],
    help: "Sessions in this process' memory that recovery.sessionsMax, bytesMax or sessionBytesMax left no room.",
  },
  // api
  sluice_commands_total: {
    kind: "counter",
    labels: ["command", "caller", "outcome"],
    help: "Commands carried out or refused, by who asked; one with afterMs counts when it is kept and when it is carried out.",
  },
  sluice_api_requests_total: {
    kind: "counter",
    labels: ["route", "status"],
    help: "Requests by route and status of the response; the route is none for requests without one, the status aborted when the client left.",
  },
  sluice_api_request_seconds: {
    kind: "histogram",
    labels: ["route"],
    help: "Time from a request's headers to its response; of streams, to their end.",
    buckets: SECONDS,
  },
  sluice_api_open_bodies: {
    kind: "gauge",
    labels: [],
    help: "Request bodies and streams of commands that are open; api.bodiesMax bounds them.",
  },
  sluice_api_body_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of request bodies that have arrived in part; api.bodiesBytesMax bounds them.",
  },
  sluice_api_idempotency_keys: {
    kind: "gauge",
    labels: [],
    help: "Idempotency-Keys that are remembered.",
  },
  sluice_api_idempotency_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of remembered responses; api.idempotencyBytesMax bounds them.",
  },
  // upstream
  sluice_upstream_calls_total: {
    kind: "counter",
    labels: ["type", "route", "outcome"],
    help: "Requests to functions that ended, by what they told, route, and outcome: answered, or the code of the failure.",
  },
  sluice_upstream_call_seconds: {
    kind: "histogram",
    labels: ["type", "route"],
    buckets: SECONDS,
    help: "How long requests to functions took, each attempt for itself.",
  },
  sluice_upstream_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Events, connects and disconnects turned away before a request, by failure code.",
  },
  sluice_upstream_states_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "Answers with data or rooms: done, old (a later one came first), or too_large.",
  },
  sluice_upstream_batched_events_total: {
    kind: "counter",
    labels: [],
    help: "Events that went out in batches.",
  },
  sluice_upstream_retries_total: {
    kind: "counter",
    labels: [],
    help: "Requests that repeated a failed one.",
  },
  sluice_upstream_queued_events: {
    kind: "gauge",
    labels: [],
    help: "Events, connects and disconnects under way: waiting, open, or between attempts.",
  },
  sluice_upstream_queued_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of the bodies of events, connects and disconnects under way.",
  },
  sluice_upstream_paused_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of events that were taken above the limits, because they had been read when their connection was paused; upstream.pausedBytesMax bounds them for each socket, queueBytesMax for all.",
  },
  sluice_upstream_inflight: {
    kind: "gauge",
    labels: ["origin"],
    help: "Requests open now, by origin of the settings.",
  },
  sluice_upstream_breaker_state: {
    kind: "gauge",
    labels: ["origin"],
    help: "State of an origin's circuit breaker: 0 closed, functions are called; 1 half-open, one call probes; 2 open, they are left alone.",
  },
  sluice_upstream_breaker_opened_total: {
    kind: "counter",
    labels: ["origin"],
    help: "Times an origin's circuit breaker opened.",
  },
  sluice_upstream_gone_endpoints: {
    kind: "gauge",
    labels: [],
    help: "Routes whose function answered 410 and is not called for upstream.goneMs.",
  },
  sluice_upstream_dead_letters: {
    kind: "gauge",
    labels: [],
    help: "Events kept after their last attempt failed.",
  },
  sluice_upstream_dead_lettered_total: {
    kind: "counter",
    labels: [],
    help: "Events whose last attempt failed.",
  },
  sluice_upstream_dead_letters_dropped_total: {
    kind: "counter",
    labels: [],
    help: "Dead letters dropped, the oldest first, because the list was full.",
  },
  sluice_upstream_journal_entries: {
    kind: "gauge",
    labels: [],
    help: "Calls that this node has written down in Redis and that are not over.",
  },
  sluice_upstream_journal_bytes: {
    kind: "gauge",
    labels: [],
    help: "Bytes of the calls that this node has written down in Redis.",
  },
  sluice_upstream_journal_unconfirmed_total: {
    kind: "counter",
    labels: [],
    help: "Calls that Redis did not confirm in time: they went on in memory, or were refused.",
  },
  sluice_upstream_adopted_total: {
    kind: "counter",
    labels: [],
    help: "Calls of nodes that are gone that this node has gone on with.",
  },
  // cluster
  sluice_cluster_redis_up: {
    kind: "gauge",
    labels: [],
    aggregate: "min",
    help: "1 while Redis or the primary of workers answers, 0 while it is away; 0 without either.",
  },
  sluice_cluster_messages_total: {
    kind: "counter",
    labels: ["direction"],
    help: "Messages from and to other nodes or workers.",
  },
  sluice_cluster_bytes_total: {
    kind: "counter",
    labels: ["direction"],
    help: "Bytes of messages from and to other nodes or workers.",
  },
  sluice_cluster_refused_total: {
    kind: "counter",
    labels: ["reason"],
    help: "Messages between nodes or workers that were refused: too large, of unknown shape, unsigned or repeated.",
  },
  sluice_cluster_missed_total: {
    kind: "counter",
    labels: [],
    help: "Messages that other nodes or workers did not get: Redis or the primary was away or too slow, or they could not be written.",
  },
  sluice_cluster_gaps_total: {
    kind: "counter",
    labels: [],
    help: "Times this node or worker may have lost messages of a namespace, and closed its connections there.",
  },
  sluice_cluster_scrapes_missed_total: {
    kind: "counter",
    labels: [],
    help: "Times a worker did not answer a scrape in time: gauges leave it out, totals use its last values.",
  },
  sluice_cluster_errors_total: {
    kind: "counter",
    labels: [],
    help: "Commands to Redis and connections to it that failed, and messages between nodes or workers that failed when they were sent or carried out.",
  },
  sluice_cluster_request_timeouts_total: {
    kind: "counter",
    labels: [],
    help: "Requests that not all other nodes or workers answered in time.",
  },
  sluice_cluster_reconnects_total: {
    kind: "counter",
    labels: [],
    help: "Connections to Redis that were made again.",
  },
  sluice_cluster_nodes: {
    kind: "gauge",
    labels: [],
    aggregate: "max",
    help: "Nodes whose lease runs, this one included.",
  },
  sluice_cluster_lost_sockets_total: {
    kind: "counter",
    labels: [],
    help: "Sockets of nodes that died, of which this node told the functions.",
  },
  sluice_cluster_leases_taken_total: {
    kind: "counter",
    labels: [],
    help: "Times another node considered this node dead.",
  },
  sluice_cluster_lag_seconds: {
    kind: "histogram",
    labels: [],
    buckets: SECONDS,
    help: "Age of broadcasts and moves when they arrived, by Redis' clock and this node's.",
  },
  // trace
  sluice_trace_spans_total: {
    kind: "counter",
    labels: ["outcome"],
    help: "Sampled spans that have ended: exported, dropped because trace.queueMax waited, or failed because the collector did not take them.",
  },
  sluice_trace_queued_spans: {
    kind: "gauge",
    labels: [],
    help: "Spans that wait for the collector, or are on their way to it.",
  },
} as const satisfies Record<string, MetricRow>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;
