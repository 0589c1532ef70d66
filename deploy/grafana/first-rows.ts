import type { Row } from "./panels.ts";
import { of, quantile, sumRate } from "./queries.ts";

/** The rows that are looked at first; they stand open. */
export const FIRST_ROWS: readonly Row[] = [
  {
    title: "Overview",
    panels: [
      {
        title: "Open connections",
        unit: "short",
        kind: "stat",
        lines: { [`sum(${of("sluice_connections")})`]: "" },
      },
      {
        title: "Deliveries a second",
        unit: "ops",
        kind: "stat",
        lines: { [sumRate("sluice_deliveries_total")]: "" },
      },
      {
        title: "Event loop late by, 99th percentile",
        unit: "s",
        kind: "stat",
        lines: { [`max(${of("sluice_event_loop_lag_seconds", `stat="p99"`)})`]: "" },
      },
      {
        title: "Slow clients closed in 5 minutes",
        unit: "short",
        kind: "stat",
        lines: { [`sum(increase(${of("sluice_slow_consumers_total")}[5m]))`]: "" },
      },
      {
        title: "Instances that shed load",
        unit: "short",
        kind: "stat",
        lines: { [`sum(${of("sluice_overload_stage")})`]: "" },
      },
      {
        title: "Instances that stop",
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
        title: "Connections, by transport and codec",
        unit: "short",
        lines: {
          [`sum by (transport, codec) (${of("sluice_connections")})`]: "{{transport}} {{codec}}",
        },
      },
      {
        title: "Connections opened",
        unit: "ops",
        lines: {
          [sumRate("sluice_connections_opened_total", "transport")]: "{{transport}}",
          [sumRate("sluice_connections_upgraded_total")]: "upgraded",
        },
      },
      {
        title: "Connections closed, by reason",
        unit: "ops",
        lines: { [sumRate("sluice_connections_closed_total", "reason")]: "{{reason}}" },
      },
      {
        title: "Handshakes refused, by reason",
        unit: "ops",
        lines: { [sumRate("sluice_handshakes_refused_total", "reason")]: "{{reason}}" },
      },
      {
        title: "Connections that a stopping gateway has not closed yet",
        unit: "short",
        lines: { [of("sluice_drain_remaining_connections")]: "{{instance}}" },
      },
      {
        title: "Connections in no namespace yet",
        unit: "short",
        note: "Each may hold an unfinished message of socket.packetBytesMax.",
        lines: { [of("sluice_connections_outside")]: "{{instance}}" },
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
        title: "Bytes in and out",
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
        title: "Deliveries, by instance",
        unit: "ops",
        lines: { [sumRate("sluice_deliveries_total", "instance")]: "{{instance}}" },
      },
      {
        title: "Recipients of a broadcast",
        unit: "short",
        note: "Deliveries divided by broadcasts.",
        none: "Nothing was broadcast.",
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
        title: "Packets refused, by reason",
        unit: "ops",
        note: "Each closed its connection; docs/failures.md says what the codes mean.",
        lines: { [sumRate("sluice_codec_refused_total", "reason")]: "{{reason}}" },
      },
      {
        title: "Handlers that failed",
        unit: "ops",
        note: "Listeners, middlewares and acks that threw or rejected; the log has the stacks.",
        lines: { [sumRate("sluice_handler_errors_total", "kind")]: "{{kind}}" },
      },
      {
        title: "Bytes of packets that are still arriving",
        unit: "bytes",
        lines: { [of("sluice_receive_buffer_bytes")]: "{{instance}}" },
      },
    ],
  },
  {
    title: "Pressure",
    panels: [
      {
        title: "Connections with unsent bytes",
        unit: "short",
        lines: { [of("sluice_pressured_connections")]: "{{instance}}" },
      },
      {
        title: "Bytes that clients have not read",
        unit: "bytes",
        lines: {
          [of("sluice_send_buffer_bytes")]: "{{instance}}",
          [of("sluice_send_buffer_max_bytes")]: "{{instance}}, the fullest connection",
        },
      },
      {
        title: "Caught up, closed as slow, volatile packets dropped",
        unit: "ops",
        lines: {
          [sumRate("sluice_drains_total")]: "caught up",
          [sumRate("sluice_slow_consumers_total")]: "slow consumers",
          [sumRate("sluice_volatile_dropped_total")]: "volatile dropped",
        },
      },
      {
        title: "How long clients lag behind",
        unit: "s",
        none: "No client has lagged behind.",
        lines: { [quantile("sluice_pressure_seconds")]: "$quantile" },
      },
    ],
  },
];
