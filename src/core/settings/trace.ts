import * as z from "zod/mini";
import { field, flag, integer, ms, text } from "./field.ts";

/** `name=value`, with the name of an HTTP header. */
const HEADER = /^[\w!#$%&'*+.^`|~-]{1,256}=[\x20-\x7e]{0,8192}$/;

/** The section `trace`; its sentence is in `SETTINGS`. */
export const trace = z.strictObject({
  otlpUrl: text(
    "",
    "URL of an OpenTelemetry collector that takes spans as OTLP over HTTP; without a path it is /v1/traces. Empty traces nothing.",
  ),
  headers: field(
    z.array(z.string().check(z.regex(HEADER, "must be name=value"))).check(z.maxLength(20)),
    [],
    "Headers of each export, as `name=value`: what the collector asks for.",
    { secret: true },
  ),
  sampleRatio: field(
    z.number().check(z.gte(0), z.lte(1)),
    1,
    "Share of the traces that begin here which are exported; a trace that came with a context keeps its caller's choice.",
  ),
  fromClients: flag(
    true,
    "Whether clients' trace contexts are followed; without, each event and connect of theirs begins a trace.",
  ),
  serviceName: field(
    z.string().check(z.minLength(1), z.maxLength(256)),
    "sluice",
    "`service.name` of the spans.",
  ),
  queueMax: integer(
    2048,
    1,
    100_000,
    "Spans that wait for the collector; above, they are dropped and counted.",
  ),
  batchMax: integer(512, 1, 10_000, "Spans of one export."),
  batchMs: ms(1000, 1, 60_000, "How long a span waits for an export to fill."),
  timeoutMs: ms(
    5000,
    100,
    60_000,
    "How long an export may take, its repetitions included; a stop waits as long for the last ones.",
  ),
});
