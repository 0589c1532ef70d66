import * as z from "zod/mini";
import { field, flag, integer, ms, text } from "./field.ts";

/** `name=value`, with the name of an HTTP header. */
const HEADER = /^[\w!#$%&'*+.^`|~-]{1,256}=[\x20-\x7e]{0,8192}$/;

/** The section `trace`; its sentence is in `SETTINGS`. */
export const trace = z.strictObject({
  otlpUrl: text(
    "",
    "URL of an OpenTelemetry collector (OTLP over HTTP); without a path, /v1/traces is used. Empty: no traces.",
  ),
  headers: field(
    z.array(z.string().check(z.regex(HEADER, "must be name=value"))).check(z.maxLength(20)),
    [],
    "Headers of each export, as `name=value`, such as credentials for the collector.",
    { secret: true },
  ),
  sampleRatio: field(
    z.number().check(z.gte(0), z.lte(1)),
    1,
    "Share of the traces that begin in Sluice and are exported. A trace that arrives with a context keeps the decision of its caller.",
  ),
  fromClients: flag(
    true,
    "Whether trace contexts from clients are continued; if not, each of their events and connects begins a new trace.",
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
    "Spans that may wait for the collector; spans above are dropped and counted.",
  ),
  batchMax: integer(512, 1, 10_000, "Spans in one export."),
  batchMs: ms(1000, 1, 60_000, "How long an export waits for more spans."),
  timeoutMs: ms(
    5000,
    100,
    60_000,
    "How long an export may take, retries included; a stop waits as long for the last ones.",
  ),
});
