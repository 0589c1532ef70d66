import type { Row } from "./panels.ts";
import { PROCESS_ROW } from "./process-row.ts";
import { of, quantile, sumRate } from "./queries.ts";

/** What is no answer of a function; a stop of ours says nothing about it. */
const FAILED = 'outcome!~"answered|UPSTREAM_REFUSED|UPSTREAM_STOPPING"';

/** The rows for a closer look; they stand folded. */
export const FOLDED_ROWS: readonly Row[] = [
  {
    title: "Who gets in: tokens, limits, load shedding",
    collapsed: true,
    panels: [
      {
        title: "Stages of load shedding",
        unit: "short",
        lines: { [of("sluice_overload_stage")]: "{{instance}} {{stage}}" },
      },
      {
        title: "Refused because of a limit",
        unit: "ops",
        lines: { [sumRate("sluice_limited_total", "limit")]: "{{limit}}" },
      },
      {
        title: "Tokens checked, by result",
        unit: "ops",
        lines: { [sumRate("sluice_authentications_total", "result")]: "{{result}}" },
      },
      {
        title: "Time to check a token",
        unit: "s",
        none: "No token was checked (auth.mode).",
        lines: { [quantile("sluice_authentication_seconds")]: "$quantile" },
      },
      {
        title: "Fetches of the key set",
        unit: "ops",
        lines: { [sumRate("sluice_key_set_fetches_total", "result")]: "{{result}}" },
      },
      {
        title: "Sockets whose token expires",
        unit: "short",
        lines: { [of("sluice_tokens_watched")]: "{{instance}}" },
      },
    ],
  },
  {
    title: "Broadcasts, acknowledgements, delayed commands",
    collapsed: true,
    panels: [
      {
        title: "Unions of rooms with topics of their own",
        unit: "short",
        lines: {
          [of("sluice_fanout_union_topics")]: "{{instance}} topics",
          [of("sluice_fanout_union_members")]: "{{instance}} memberships",
        },
      },
      {
        title: "Sockets that broadcasts reach one by one",
        unit: "short",
        lines: { [of("sluice_fanout_slow_sockets")]: "{{instance}}" },
      },
      {
        title: "Acknowledgements of broadcasts that are awaited",
        unit: "short",
        lines: { [of("sluice_fanout_acks_pending")]: "{{instance}}" },
      },
      {
        title: "Acknowledgements that came too late, broadcasts refused for too many",
        unit: "ops",
        lines: {
          [sumRate("sluice_fanout_acks_missed_total")]: "too late",
          [sumRate("sluice_fanout_acks_refused_total")]: "refused",
        },
      },
      {
        title: "Commands that wait for their time",
        unit: "short",
        lines: { [of("sluice_fanout_delayed_commands")]: "{{instance}}" },
      },
      {
        title: "Bytes of commands that wait for their time",
        unit: "bytes",
        lines: { [of("sluice_fanout_delayed_bytes")]: "{{instance}}" },
      },
      {
        title: "Commands that waited, by outcome",
        unit: "ops",
        lines: {
          [sumRate("sluice_fanout_delays_kept_total")]: "kept",
          [sumRate("sluice_fanout_delays_total", "outcome")]: "{{outcome}}",
        },
      },
      {
        title: "How late delayed commands are carried out",
        unit: "s",
        none: "No command with afterMs was carried out.",
        lines: { [quantile("sluice_fanout_delay_late_seconds")]: "$quantile" },
      },
    ],
  },
  {
    title: "Functions",
    collapsed: true,
    unused: "No function is called (upstream.url, upstream.routes).",
    panels: [
      {
        title: "Calls of functions, by outcome",
        unit: "ops",
        lines: {
          [sumRate("sluice_upstream_calls_total", "type, outcome")]: "{{type}} {{outcome}}",
        },
      },
      {
        title: "Calls of functions, by route",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_calls_total", "route")]: "{{route}}" },
      },
      {
        title: "Calls that fail, by route",
        unit: "ops",
        note: "A refusal of the function is an answer.",
        none: "No call has failed.",
        lines: {
          [`sum by (route, outcome) (rate(${of("sluice_upstream_calls_total", FAILED)}[$__rate_interval]))`]:
            "{{route}} {{outcome}}",
        },
      },
      {
        title: "How long calls take, by route",
        unit: "s",
        lines: { [quantile("sluice_upstream_call_seconds", "route")]: "{{route}}" },
      },
      {
        title: "Calls that are open now, by origin",
        unit: "short",
        lines: { [of("sluice_upstream_inflight")]: "{{instance}} {{origin}}" },
      },
      {
        title: "Circuit breakers, by origin",
        unit: "short",
        note: "0 closed: the function is called. 1 half-open: it is probed. 2 open: it is left alone.",
        lines: { [of("sluice_upstream_breaker_state")]: "{{instance}} {{origin}}" },
      },
      {
        title: "Calls under way: waiting, open, or between attempts",
        unit: "short",
        lines: { [of("sluice_upstream_queued_events")]: "{{instance}}" },
      },
      {
        title: "Bytes of calls under way",
        unit: "bytes",
        lines: {
          [of("sluice_upstream_queued_bytes")]: "{{instance}}",
          [of("sluice_upstream_paused_bytes")]: "{{instance}} over the limits",
        },
      },
      {
        title: "Calls that Redis keeps until they are answered",
        unit: "short",
        lines: { [of("sluice_upstream_journal_entries")]: "{{instance}}" },
      },
      {
        title: "Bytes of calls that Redis keeps",
        unit: "bytes",
        lines: { [of("sluice_upstream_journal_bytes")]: "{{instance}}" },
      },
      {
        title: "Calls not kept in time, and taken over from nodes that are gone",
        unit: "ops",
        lines: {
          [sumRate("sluice_upstream_journal_unconfirmed_total")]: "not written",
          [sumRate("sluice_upstream_adopted_total")]: "taken over",
        },
      },
      {
        title: "Clients that are not read from, and how often that begins",
        unit: "short",
        lines: {
          [of("sluice_paused_connections")]: "{{instance}}",
          [sumRate("sluice_pauses_total")]: "pauses",
        },
      },
      {
        title: "Events refused before a call, by reason",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_refused_total", "reason")]: "{{reason}}" },
      },
      {
        title: "Data and rooms that answers set, by outcome",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_states_total", "outcome")]: "{{outcome}}" },
      },
      {
        title: "Calls repeated, events batched, breakers opened",
        unit: "ops",
        lines: {
          [sumRate("sluice_upstream_retries_total")]: "repeated",
          [sumRate("sluice_upstream_batched_events_total")]: "batched events",
          [sumRate("sluice_upstream_breaker_opened_total", "origin")]: "opened {{origin}}",
        },
      },
      {
        title: "Dead letters, and routes whose function is gone",
        unit: "short",
        lines: {
          [of("sluice_upstream_dead_letters")]: "{{instance}} kept",
          [of("sluice_upstream_gone_endpoints")]: "{{instance}} routes gone",
          [`increase(${of("sluice_upstream_dead_lettered_total")}[5m])`]: "{{instance}} given up",
          [`increase(${of("sluice_upstream_dead_letters_dropped_total")}[5m])`]:
            "{{instance}} dropped",
        },
      },
    ],
  },
  {
    title: "HTTP API",
    collapsed: true,
    unused: "Nobody has asked for anything (api.keys).",
    panels: [
      {
        title: "Commands, by caller and outcome",
        unit: "ops",
        lines: {
          [sumRate("sluice_commands_total", "command, caller, outcome")]:
            "{{command}} {{caller}} {{outcome}}",
        },
      },
      {
        title: "HTTP requests, by route and status",
        unit: "ops",
        lines: { [sumRate("sluice_api_requests_total", "route, status")]: "{{route}} {{status}}" },
      },
      {
        title: "How long HTTP requests take",
        unit: "s",
        lines: { [quantile("sluice_api_request_seconds")]: "$quantile" },
      },
      {
        title: "Request bodies and streams that are open",
        unit: "short",
        lines: { [of("sluice_api_open_bodies")]: "{{instance}}" },
      },
      {
        title: "Bytes of bodies that are arriving, and of responses that are remembered",
        unit: "bytes",
        lines: {
          [of("sluice_api_body_bytes")]: "{{instance}} arriving",
          [of("sluice_api_idempotency_bytes")]: "{{instance}} remembered",
        },
      },
      {
        title: "Idempotency-Keys whose responses are kept",
        unit: "short",
        lines: { [of("sluice_api_idempotency_keys")]: "{{instance}}" },
      },
    ],
  },
  {
    title: "Recovery of clients that come back",
    collapsed: true,
    unused: "Recovery is off (recovery.windowMs), or there is no Redis and no worker.",
    panels: [
      {
        title: "Clients that came back, by result",
        unit: "ops",
        lines: { [sumRate("sluice_recoveries_total", "result")]: "{{result}}" },
      },
      {
        title: "Missed packets sent again, and forgotten too early",
        unit: "ops",
        lines: {
          [sumRate("sluice_recovered_packets_total")]: "sent again",
          [sumRate("sluice_recovery_dropped_packets_total")]: "forgotten too early",
          [sumRate("sluice_recovery_dropped_sessions_total")]: "sessions forgotten too early",
        },
      },
      {
        title: "Bytes kept for clients that may come back",
        unit: "bytes",
        lines: { [of("sluice_recovery_bytes")]: "{{instance}}" },
      },
      {
        title: "Packets and sessions kept for clients that may come back",
        unit: "short",
        lines: {
          [of("sluice_recovery_packets")]: "{{instance}} packets",
          [of("sluice_recovery_sessions")]: "{{instance}} sessions",
        },
      },
      {
        title: "Sessions of connected sockets, kept for when their node dies",
        unit: "short",
        lines: {
          [of("sluice_recovery_kept_sessions")]: "{{instance}} kept",
          [sumRate("sluice_recovery_unfit_sessions_total")]: "unfit a second",
        },
      },
    ],
  },
  {
    title: "Other nodes and workers",
    collapsed: true,
    unused: "This is one node without workers (cluster.redisUrl, cluster.workers).",
    panels: [
      {
        title: "Redis, or the primary of workers, answers",
        unit: "short",
        lines: { [of("sluice_cluster_redis_up")]: "{{instance}}" },
      },
      {
        title: "Messages from and to other nodes",
        unit: "ops",
        lines: { [sumRate("sluice_cluster_messages_total", "direction")]: "{{direction}}" },
      },
      {
        title: "Bytes from and to other nodes",
        unit: "Bps",
        lines: { [sumRate("sluice_cluster_bytes_total", "direction")]: "{{direction}}" },
      },
      {
        title: "How late messages of other nodes arrive",
        unit: "s",
        lines: { [quantile("sluice_cluster_lag_seconds")]: "$quantile" },
      },
      {
        title: "Messages missed, refused, failed",
        unit: "ops",
        lines: {
          [sumRate("sluice_cluster_missed_total")]: "missed",
          [sumRate("sluice_cluster_gaps_total")]: "gaps",
          [sumRate("sluice_cluster_refused_total", "reason")]: "refused {{reason}}",
          [sumRate("sluice_cluster_errors_total")]: "failed commands",
          [sumRate("sluice_cluster_reconnects_total")]: "reconnects",
          [sumRate("sluice_cluster_request_timeouts_total")]: "requests not answered by all",
          [sumRate("sluice_cluster_scrapes_missed_total")]: "silent workers",
        },
      },
      {
        title: "Nodes that live",
        unit: "short",
        none: "Nodes are counted with Redis and functions.",
        lines: { [of("sluice_cluster_nodes")]: "{{instance}} sees" },
      },
      {
        title: "Sockets of nodes that died, and nodes taken for dead that were not",
        unit: "ops",
        none: "Nodes are counted with Redis and functions.",
        lines: {
          [sumRate("sluice_cluster_lost_sockets_total")]: "lost sockets",
          [sumRate("sluice_cluster_leases_taken_total")]: "taken for dead",
        },
      },
    ],
  },
  {
    title: "Traces",
    collapsed: true,
    unused: "Traces are off (trace.otlpUrl).",
    panels: [
      {
        title: "Spans, by outcome",
        unit: "ops",
        lines: { [sumRate("sluice_trace_spans_total", "outcome")]: "{{outcome}}" },
      },
      {
        title: "Spans that wait for the collector",
        unit: "short",
        lines: { [of("sluice_trace_queued_spans")]: "{{instance}}" },
      },
    ],
  },
  PROCESS_ROW,
];
