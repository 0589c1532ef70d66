import type { TestContext } from "node:test";
import type { PartialSettings } from "../../src/core/settings.ts";
import { type CollectedSpan, type Collector, startCollector } from "./collector.ts";
import { type TestGateway, testGateway } from "./gateway.ts";

/** A trace that somebody else has begun. */
export const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
/** The span of it that is the parent of what comes. */
export const SPAN = "00f067aa0ba902b7";
/** Its context. */
export const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;
/** The secret of the key that {@link startTraced} sets. */
export const KEY = "a-secret-of-the-tests-0123456789";

/** A gateway and the collector that it sends its spans to. */
export interface Traced {
  readonly gateway: TestGateway;
  readonly collector: Collector;
}

/** Starts a gateway that traces. Both end with the test. */
export async function startTraced(t: TestContext, settings: PartialSettings = {}): Promise<Traced> {
  const ended: (() => Promise<void>)[] = [];
  const collector = await startCollector({ after: (close) => void ended.push(close) });
  const gateway = await testGateway(t, {
    api: { keys: [`test:${KEY}`] },
    ...settings,
    trace: { otlpUrl: collector.url, batchMs: 5, ...settings.trace },
  });
  // After the gateway, which would try to reach it until trace.timeoutMs have passed.
  t.after(() => Promise.all(ended.map((close) => close())));
  return { gateway, collector };
}

/** Sends a body to the HTTP API of a gateway; `headers` win. */
export function post(
  { url }: { readonly url: string },
  path: string,
  { body, headers }: { readonly body: unknown; readonly headers?: Record<string, string> },
): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

/**
 * Returns whose span is whose child, as `parent > child` of their names: `?` is of somebody else,
 * and the first span of a trace has none.
 */
export function listParents(spans: readonly CollectedSpan[]): string[] {
  const names = new Map(spans.map(({ spanId, name }) => [spanId, name]));
  return spans
    .map(({ parentSpanId, name }) => {
      const parent = parentSpanId === "" ? "" : (names.get(parentSpanId) ?? "?");
      return `${parent} > ${name}`;
    })
    .sort();
}
