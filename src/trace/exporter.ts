import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { type Settings, SettingsError, showValue } from "../core/settings-shape.ts";

/** Hears how the export of some spans ended: with an error that says why, if they are lost. */
type Done = (spans: number, error?: Error) => void;

/** What an export says when it is over. */
type Result = Parameters<Parameters<SpanExporter["export"]>[1]>[0];

/** Sends spans to a collector. */
export interface Exporter extends SpanExporter {
  /** Resolves when no export is under way, each of which ends within `timeoutMs`. */
  idle(): Promise<void>;
  /** Closes all connections. */
  close(): void;
}

/** Returns where spans go. Throws `SettingsError` for a URL that is none. */
export function readCollectorUrl(given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url?.protocol !== "http:" && url?.protocol !== "https:") {
    const bound = "must be a URL with http or https";
    throw new SettingsError([{ path: "trace.otlpUrl", value: showValue(given), bound }]);
  }
  if (url.pathname === "/") url.pathname = "/v1/traces";
  return url;
}

/**
 * Returns the official exporter, with an end to each of its exports.
 *
 * By itself it counts its timeout anew with every byte of an answer, and not before a connection
 * stands. Here, `timeoutMs` after an export began, its connections are closed. It repeats what
 * failed until then.
 */
export function createExporter(
  settings: Settings["trace"],
  { url, done }: { readonly url: URL; readonly done: Done },
): Exporter {
  const { timeoutMs } = settings;
  const agent = new (url.protocol === "https:" ? HttpsAgent : HttpAgent)({ keepAlive: true });
  const otlp = new OTLPTraceExporter({
    url: url.href,
    headers: readHeaders(settings.headers),
    timeoutMillis: timeoutMs,
    userAgent: "sluice",
    httpAgentOptions: () => agent,
    // Only a stop exports more than one batch at once, and then all that is queued.
    concurrencyLimit: Number.POSITIVE_INFINITY,
  });
  const open = new Set<Promise<void>>();

  let isLate = false;

  async function send(spans: Parameters<SpanExporter["export"]>[0]): Promise<Error | undefined> {
    const late = setTimeout(() => {
      isLate = true;
      agent.destroy();
    }, timeoutMs);
    try {
      const { code, error } = await new Promise<Result>((resolve) => otlp.export(spans, resolve));
      if (code === 0) {
        isLate = false;
        return undefined;
      }
      // A closed connection alone would say "socket hang up", also of exports beside the late one.
      return new Error(isLate ? `no answer within ${timeoutMs} ms` : (error?.message ?? "refused"));
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      clearTimeout(late);
    }
  }

  return {
    export(spans, told) {
      const ended = send(spans).then((error) => {
        open.delete(ended);
        done(spans.length, error);
        told(error ? { code: 1, error } : { code: 0 });
      });
      open.add(ended);
    },
    shutdown: async () => {},
    async idle() {
      while (open.size > 0) await Promise.all(open);
    },
    close: () => agent.destroy(),
  };
}

function readHeaders(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}
