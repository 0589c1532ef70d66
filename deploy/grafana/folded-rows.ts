import type { Row } from "./panels.ts";
import { PROCESS_ROW } from "./process-row.ts";
import { of, quantile, sumRate } from "./queries.ts";

/** What is no answer of a function; a stop of ours says nothing about it. */
const FAILED = 'outcome!~"answered|UPSTREAM_REFUSED|UPSTREAM_STOPPING"';

/** The rows for a closer look; they stand folded. */
export const FOLDED_ROWS: readonly Row[] = [
  {
    title: "Door",
    collapsed: true,
    panels: [
      {
        title: "Load shedding",
        unit: "short",
        lines: { [of("sluice_overload_stage")]: "{{instance}} {{stage}}" },
      },
      {
        title: "Over a limit",
        unit: "ops",
        lines: { [sumRate("sluice_limited_total", "limit")]: "{{limit}}" },
      },
      {
        title: "Tokens",
        unit: "ops",
        lines: { [sumRate("sluice_authentications_total", "result")]: "{{result}}" },
      },
      {
        title: "Time to check a token",
        unit: "s",
        lines: { [quantile("sluice_authentication_seconds")]: "$quantile" },
      },
      {
        title: "Fetches of the key set",
        unit: "ops",
        lines: { [sumRate("sluice_key_set_fetches_total", "result")]: "{{result}}" },
      },
    ],
  },
  {
    title: "Fan-out",
    collapsed: true,
    panels: [
      {
        title: "Topics for unions of rooms",
        unit: "short",
        lines: { [of("sluice_fanout_union_topics")]: "{{instance}}" },
      },
      {
        title: "Sockets outside of native delivery",
        unit: "short",
        lines: { [of("sluice_fanout_slow_sockets")]: "{{instance}}" },
      },
      {
        title: "Answers that are awaited",
        unit: "short",
        lines: { [of("sluice_fanout_acks_pending")]: "{{instance}}" },
      },
      {
        title: "Commands that wait for their time",
        unit: "short",
        lines: { [of("sluice_fanout_delayed_commands")]: "{{instance}}" },
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
        title: "How late they come",
        unit: "s",
        lines: { [quantile("sluice_fanout_delay_late_seconds")]: "$quantile" },
      },
    ],
  },
  {
    title: "Functions",
    collapsed: true,
    panels: [
      {
        title: "Calls, by outcome",
        unit: "ops",
        lines: {
          [sumRate("sluice_upstream_calls_total", "type, outcome")]: "{{type}} {{outcome}}",
        },
      },
      {
        title: "Calls, by route",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_calls_total", "route")]: "{{route}}" },
      },
      {
        title: "Calls that fail, by route",
        unit: "ops",
        note: "A refusal of the function is an answer.",
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
        title: "Open calls, by origin",
        unit: "short",
        lines: { [of("sluice_upstream_inflight")]: "{{instance}} {{origin}}" },
      },
      {
        title: "Breakers",
        unit: "short",
        note: "0 called, 1 probed, 2 left alone.",
        lines: { [of("sluice_upstream_breaker_state")]: "{{instance}} {{origin}}" },
      },
      {
        title: "Waiting",
        unit: "short",
        lines: { [of("sluice_upstream_queued_events")]: "{{instance}}" },
      },
      {
        title: "Waiting, in bytes",
        unit: "bytes",
        lines: { [of("sluice_upstream_queued_bytes")]: "{{instance}}" },
      },
      {
        title: "Written down in Redis until answered",
        unit: "short",
        lines: { [of("sluice_upstream_journal_entries")]: "{{instance}}" },
      },
      {
        title: "Written down, in bytes",
        unit: "bytes",
        lines: { [of("sluice_upstream_journal_bytes")]: "{{instance}}" },
      },
      {
        title: "Not written in time, and taken over from nodes that are gone",
        unit: "ops",
        lines: {
          [sumRate("sluice_upstream_journal_unconfirmed_total")]: "not written",
          [sumRate("sluice_upstream_adopted_total")]: "taken over",
        },
      },
      {
        title: "Connections held back, and how often a second",
        unit: "short",
        lines: {
          [of("sluice_paused_connections")]: "{{instance}}",
          [sumRate("sluice_pauses_total")]: "pauses",
        },
      },
      {
        title: "Turned away",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_refused_total", "reason")]: "{{reason}}" },
      },
      {
        title: "State that answers set",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_states_total", "outcome")]: "{{outcome}}" },
      },
      {
        title: "Repeated, batched, breakers opened",
        unit: "ops",
        lines: {
          [sumRate("sluice_upstream_retries_total")]: "repeated",
          [sumRate("sluice_upstream_batched_events_total")]: "batched events",
          [sumRate("sluice_upstream_breaker_opened_total", "origin")]: "opened {{origin}}",
        },
      },
      {
        title: "Given up",
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
    panels: [
      {
        title: "Commands",
        unit: "ops",
        lines: {
          [sumRate("sluice_commands_total", "command, caller, outcome")]:
            "{{command}} {{caller}} {{outcome}}",
        },
      },
      {
        title: "Requests",
        unit: "ops",
        lines: { [sumRate("sluice_api_requests_total", "route, status")]: "{{route}} {{status}}" },
      },
      {
        title: "How long requests take",
        unit: "s",
        lines: { [quantile("sluice_api_request_seconds")]: "$quantile" },
      },
    ],
  },
  {
    title: "Recovery",
    collapsed: true,
    panels: [
      {
        title: "Clients that came back",
        unit: "ops",
        lines: { [sumRate("sluice_recoveries_total", "result")]: "{{result}}" },
      },
      {
        title: "Packets",
        unit: "ops",
        lines: {
          [sumRate("sluice_recovered_packets_total")]: "sent again",
          [sumRate("sluice_recovery_dropped_packets_total")]: "forgotten too early",
        },
      },
      {
        title: "Kept bytes",
        unit: "bytes",
        lines: { [of("sluice_recovery_bytes")]: "{{instance}}" },
      },
      {
        title: "Kept packets and sessions",
        unit: "short",
        lines: {
          [of("sluice_recovery_packets")]: "{{instance}} packets",
          [of("sluice_recovery_sessions")]: "{{instance}} sessions",
        },
      },
      {
        title: "Sessions of living sockets in Redis",
        unit: "short",
        lines: {
          [of("sluice_recovery_kept_sessions")]: "{{instance}} kept",
          [sumRate("sluice_recovery_unfit_sessions_total")]: "unfit a second",
        },
      },
    ],
  },
  {
    title: "Cluster",
    collapsed: true,
    panels: [
      {
        title: "Redis answers",
        unit: "short",
        lines: { [of("sluice_cluster_redis_up")]: "{{instance}}" },
      },
      {
        title: "Messages",
        unit: "ops",
        lines: { [sumRate("sluice_cluster_messages_total", "direction")]: "{{direction}}" },
      },
      {
        title: "Bytes",
        unit: "Bps",
        lines: { [sumRate("sluice_cluster_bytes_total", "direction")]: "{{direction}}" },
      },
      {
        title: "How late messages arrive",
        unit: "s",
        lines: { [quantile("sluice_cluster_lag_seconds")]: "$quantile" },
      },
      {
        title: "Missed, refused, failed",
        unit: "ops",
        lines: {
          [sumRate("sluice_cluster_missed_total")]: "missed",
          [sumRate("sluice_cluster_gaps_total")]: "gaps",
          [sumRate("sluice_cluster_refused_total", "reason")]: "refused {{reason}}",
          [sumRate("sluice_cluster_errors_total")]: "failed commands",
          [sumRate("sluice_cluster_reconnects_total")]: "reconnects",
          [sumRate("sluice_cluster_scrapes_missed_total")]: "silent workers",
        },
      },
    ],
  },
  PROCESS_ROW,
];
