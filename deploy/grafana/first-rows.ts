import type { Row } from "./panels.ts";
import { of, quantile, sumRate } from "./queries.ts";

/** The rows that are looked at first; they stand open. */
export const FIRST_ROWS: readonly Row[] = [
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
];
