import type { Row } from "./panels.ts";
import { of, rate, sumRate } from "./queries.ts";

/** The row about the processes themselves. */
export const PROCESS_ROW: Row = {
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
      title: "CPU time used",
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
      title: "Log lines dropped",
      unit: "short",
      lines: { [rate("sluice_log_lines_dropped_total")]: "{{instance}}" },
    },
    {
      title: "Accepting paused, for want of file descriptors",
      unit: "ops",
      lines: { [rate("sluice_accept_pauses_total")]: "{{instance}}" },
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
};
