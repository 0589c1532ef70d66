import * as z from "zod/mini";
import { flag, integer, ms } from "./field.ts";

const lag = (byDefault: number, text: string) => ms(byDefault, 1, 60_000, text);
const memory = (byDefault: number, text: string) => integer(byDefault, 1, 100, text);

/** The section `overload`; its sentence is in `SETTINGS`. */
export const overload = z.strictObject({
  enabled: flag(true, "Whether load is shed at all."),
  sampleMs: ms(500, 10, 60_000, "Time between two samples of event-loop lag and memory."),
  refuseLagMs: lag(500, "Lag above which handshakes are refused with 503."),
  idleLagMs: lag(1000, "Lag above which idle long-polling connections are closed too."),
  slowLagMs: lag(
    2000,
    "Lag above which the connections that hold the most unsent or unfinished bytes are closed too.",
  ),
  refuseMemoryPercent: memory(85, "Memory above which handshakes are refused with 503."),
  idleMemoryPercent: memory(
    90,
    "Memory above which connections in no namespace, then idle long-polling ones, are closed too.",
  ),
  slowMemoryPercent: memory(
    95,
    "Memory above which the connections that hold the most unsent or unfinished bytes are closed too.",
  ),
  memoryBytesMax: integer(
    0,
    0,
    1_099_511_627_776,
    "Resident memory that counts as 100 percent; 0 takes the container's or the machine's.",
  ),
  calmSamples: integer(6, 1, 1000, "Samples below 80 % of a threshold before its stage is left."),
  closesPerSample: integer(100, 1, 100_000, "Connections closed per sample in the closing stages."),
  idleMs: ms(10_000, 100, 3_600_000, "Silence of a client after which it counts as idle."),
  retryAfterMs: ms(5000, 1000, 3_600_000, "What `Retry-After` tells clients refused by overload."),
});
