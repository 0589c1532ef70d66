import * as z from "zod/mini";
import { flag, integer, ms } from "./field.ts";

const lag = (byDefault: number, text: string) => ms(byDefault, 1, 60_000, text);
const memory = (byDefault: number, text: string) => integer(byDefault, 1, 100, text);

/** The section `overload`; its sentence is in `SETTINGS`. */
export const overload = z.strictObject({
  enabled: flag(true, "Whether overload protection is on."),
  sampleMs: ms(500, 10, 60_000, "Time between two samples of event-loop lag and memory."),
  refuseLagMs: lag(500, "Event-loop lag above which handshakes are refused with 503."),
  idleLagMs: lag(1000, "Event-loop lag above which idle long-polling connections are closed too."),
  slowLagMs: lag(
    2000,
    "Event-loop lag above which the connections with the most unsent or unfinished bytes are closed too.",
  ),
  refuseMemoryPercent: memory(85, "Memory use above which handshakes are refused with 503."),
  idleMemoryPercent: memory(
    90,
    "Memory use above which connections without a namespace are closed too, then idle long-polling ones.",
  ),
  slowMemoryPercent: memory(
    95,
    "Memory use above which the connections with the most unsent or unfinished bytes are closed too.",
  ),
  memoryBytesMax: integer(
    0,
    0,
    1_099_511_627_776,
    "Resident memory that counts as 100 percent; 0 takes the limit of the container, or the memory of the machine.",
  ),
  calmSamples: integer(
    6,
    1,
    1000,
    "Samples in a row below 80 % of a stage's threshold that end the stage.",
  ),
  closesPerSample: integer(100, 1, 100_000, "Connections closed per sample in the closing stages."),
  idleMs: ms(
    10_000,
    100,
    3_600_000,
    "How long a client may send nothing before its connection counts as idle.",
  ),
  retryAfterMs: ms(
    5000,
    1000,
    3_600_000,
    "`Retry-After` for clients that are refused because of overload.",
  ),
});
