import type { Row } from "./panels.ts";
import { of, quantile, rate, sumRate } from "./queries.ts";

/** The rows of the dashboard, the most looked at first; those below the messages are folded. */
export const ROWS: readonly Row[] = [
  {
    title: "Overview",
    panels: [
      {
        title: "Connections",
        unit: "short",
        kind: "stat",
        lines: { [`sum(${of("sluice_connections")})`]: "" },
      },
      {
        title: "Deliveries",
        unit: "ops",
        kind: "stat",
        lines: { [sumRate("sluice_deliveries_total")]: "" },
      },
      {
        title: "Loop lag, p99",
        unit: "s",
        kind: "stat",
        lines: { [`max(${of("sluice_event_loop_lag_seconds", `stat="p99"`)})`]: "" },
      },
      {
        title: "Slow consumers, 5 minutes",
        unit: "short",
        kind: "stat",
        lines: { [`sum(increase(${of("sluice_slow_consumers_total")}[5m]))`]: "" },
      },
      {
        title: "Shedding load",
        unit: "short",
        kind: "stat",
        lines: { [`sum(${of("sluice_overload_stage")})`]: "" },
      },
      {
        title: "Draining",
        unit: "short",
        kind: "stat",
        lines: { [`sum(${of("sluice_draining")})`]: "" },
      },
    ],
  },
  {
    title: "Connections",
    panels: [
      {
        title: "Open, by transport and codec",
        unit: "short",
        lines: {
          [`sum by (transport, codec) (${of("sluice_connections")})`]: "{{transport}} {{codec}}",
        },
      },
      {
        title: "Opened",
        unit: "ops",
        lines: {
          [sumRate("sluice_connections_opened_total", "transport")]: "{{transport}}",
          [sumRate("sluice_connections_upgraded_total")]: "upgraded",
        },
      },
      {
        title: "Closed, by reason",
        unit: "ops",
        lines: { [sumRate("sluice_connections_closed_total", "reason")]: "{{reason}}" },
      },
      {
        title: "Handshakes refused",
        unit: "ops",
        lines: { [sumRate("sluice_handshakes_refused_total", "reason")]: "{{reason}}" },
      },
      {
        title: "Left to drain",
        unit: "short",
        lines: { [of("sluice_drain_remaining_connections")]: "{{instance}}" },
      },
    ],
  },
  {
    title: "Messages",
    panels: [
      {
        title: "Packets in",
        unit: "ops",
        lines: { [sumRate("sluice_packets_received_total", "type")]: "{{type}}" },
      },
      {
        title: "Packets out",
        unit: "ops",
        lines: { [sumRate("sluice_packets_sent_total", "type")]: "{{type}}" },
      },
      {
        title: "Bytes",
        unit: "Bps",
        lines: {
          [sumRate("sluice_received_bytes_total")]: "in",
          [sumRate("sluice_sent_bytes_total")]: "out",
        },
      },
      {
        title: "Broadcasts, by shape",
        unit: "ops",
        lines: { [sumRate("sluice_broadcasts_total", "shape")]: "{{shape}}" },
      },
      {
        title: "Deliveries",
        unit: "ops",
        lines: { [sumRate("sluice_deliveries_total", "instance")]: "{{instance}}" },
      },
      {
        title: "Recipients of a broadcast",
        unit: "short",
        note: "Deliveries divided by broadcasts.",
        lines: {
          [`${sumRate("sluice_deliveries_total")} / ${sumRate("sluice_broadcasts_total")}`]: "mean",
        },
      },
      {
        title: "Packets decoded and encoded",
        unit: "ops",
        note: "A broadcast is encoded at most once per codec, whatever its recipients.",
        lines: {
          [sumRate("sluice_codec_decoded_total", "codec")]: "{{codec}} in",
          [sumRate("sluice_codec_encoded_total", "codec")]: "{{codec}} out",
        },
      },
      {
        title: "Packets refused",
        unit: "ops",
        lines: { [sumRate("sluice_codec_refused_total", "reason")]: "{{reason}}" },
      },
    ],
  },
  {
    title: "Pressure",
    panels: [
      {
        title: "Connections under pressure",
        unit: "short",
        lines: { [of("sluice_pressured_connections")]: "{{instance}}" },
      },
      {
        title: "Unsent bytes",
        unit: "bytes",
        lines: {
          [of("sluice_send_buffer_bytes")]: "{{instance}}",
          [of("sluice_send_buffer_max_bytes")]: "{{instance}}, the fullest connection",
        },
      },
      {
        title: "Drained, closed as slow, volatile packets dropped",
        unit: "ops",
        lines: {
          [sumRate("sluice_drains_total")]: "drained",
          [sumRate("sluice_slow_consumers_total")]: "slow consumers",
          [sumRate("sluice_volatile_dropped_total")]: "volatile dropped",
        },
      },
      {
        title: "How long pressure lasts",
        unit: "s",
        lines: { [quantile("sluice_pressure_seconds")]: "$quantile" },
      },
    ],
  },
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
        title: "Broadcasts that wait for answers",
        unit: "short",
        lines: { [of("sluice_fanout_acks_pending")]: "{{instance}}" },
      },
    ],
  },
  {
    title: "Functions",
    collapsed: true,
    panels: [
      {
        title: "Requests, by outcome",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_calls_total", "outcome")]: "{{outcome}}" },
      },
      {
        title: "Time of a request",
        unit: "s",
        lines: { [quantile("sluice_upstream_call_seconds")]: "" },
      },
      {
        title: "Turned away before a request",
        unit: "ops",
        lines: { [sumRate("sluice_upstream_refused_total", "reason")]: "{{reason}}" },
      },
      {
        title: "Open requests, events under way, dead letters",
        unit: "short",
        lines: {
          [`sum by (origin) (${of("sluice_upstream_inflight")})`]: "open, {{origin}}",
          [`sum(${of("sluice_upstream_queued_events")})`]: "under way",
          [`sum(${of("sluice_upstream_dead_letters")})`]: "dead letters",
          [`sum(${of("sluice_upstream_gone_endpoints")})`]: "gone functions",
        },
      },
      {
        title: "Bytes under way",
        unit: "bytes",
        lines: { [`sum(${of("sluice_upstream_queued_bytes")})`]: "" },
      },
      {
        title: "Batched, retried, given up, dropped",
        unit: "ops",
        lines: {
          [sumRate("sluice_upstream_batched_events_total")]: "batched",
          [sumRate("sluice_upstream_retries_total")]: "retried",
          [sumRate("sluice_upstream_dead_lettered_total")]: "given up",
          [sumRate("sluice_upstream_dead_letters_dropped_total")]: "dropped",
        },
      },
      {
        title: "Breakers: 1 probing, 2 open, and openings a second",
        unit: "short",
        lines: {
          [`max by (origin) (${of("sluice_upstream_breaker_state")})`]: "{{origin}}",
          [sumRate("sluice_upstream_breaker_opened_total", "origin")]: "openings, {{origin}}",
        },
      },
    ],
  },
  {
    title: "Process",
    collapsed: true,
    panels: [
      {
        title: "Event loop in use",
        unit: "percentunit",
        lines: { [of("sluice_event_loop_utilization_ratio")]: "{{instance}}" },
      },
      {
        title: "Event loop lag",
        unit: "s",
        lines: { [of("sluice_event_loop_lag_seconds")]: "{{instance}} {{stat}}" },
      },
      {
        title: "Processor",
        unit: "percentunit",
        lines: { [rate("process_cpu_seconds_total")]: "{{instance}}" },
      },
      {
        title: "Memory",
        unit: "bytes",
        lines: {
          [of("process_resident_memory_bytes")]: "{{instance}} resident",
          [of("nodejs_heap_size_used_bytes")]: "{{instance}} heap",
        },
      },
      {
        title: "Open files",
        unit: "short",
        lines: {
          [of("process_open_fds")]: "{{instance}}",
          [of("process_max_fds")]: "{{instance}} limit",
        },
      },
      {
        title: "Garbage collection",
        unit: "percentunit",
        lines: { [sumRate("nodejs_gc_duration_seconds_sum", "instance, kind")]: "{{kind}}" },
      },
      {
        title: "Builds",
        unit: "short",
        lines: {
          [`count by (version, uws, binary, node) (${of("sluice_build_info")})`]:
            "{{version}}, uWebSockets.js {{uws}} {{binary}}, Node {{node}}",
        },
      },
    ],
  },
];
