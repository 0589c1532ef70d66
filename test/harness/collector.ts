import { createServer, type IncomingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
// OpenTelemetry's own decoder, which later versions of the package have no more.
import decoders from "otlp-decoder/build/src/generated/root.js";

/** A span as the collector received it. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for the first span of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  /** OpenTelemetry's number: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** 2 is an error. */
  readonly status: number;
  /** Attributes of the process that sent it. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A receiver of OTLP over HTTP. */
export interface Collector {
  readonly url: string;
  readonly spans: CollectedSpan[];
  readonly requests: { readonly path: string; readonly headers: IncomingHttpHeaders }[];
  /** What exports are answered with; `undefined` never answers. */
  status: number | undefined;
  /** Returns the spans of one name. */
  named(name: string): CollectedSpan[];
  close(): Promise<void>;
}

/** What of OTLP's messages is read here; its field names are those of the protocol's files. */
interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly ExportedSpan[] }[];
  }[];
}

interface ExportedSpan {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly parentSpanId: Uint8Array | null;
  readonly name: string;
  readonly kind: number;
  readonly attributes: readonly Attribute[];
  readonly links: readonly { readonly traceId: Uint8Array; readonly spanId: Uint8Array }[];
  readonly status: { readonly code: number } | null;
}

interface Attribute {
  readonly key: string;
  readonly value: Value;
}

interface Value {
  readonly stringValue?: string | null;
  readonly boolValue?: boolean | null;
  readonly doubleValue?: number | null;
  /** A number, or an object for a 64-bit integer. */
  readonly intValue?: unknown;
  readonly arrayValue?: { readonly values: readonly Value[] } | null;
}

// The file is declared as a Root of protobufjs, and is a tree of messages named as the packages.
const { ExportTraceServiceRequest } = (decoders as unknown as Tree<Decoder>).opentelemetry.proto
  .collector.trace.v1;

interface Tree<Message> {
  readonly opentelemetry: {
    readonly proto: {
      readonly collector: {
        readonly trace: { readonly v1: { readonly ExportTraceServiceRequest: Message } };
      };
    };
  };
}

interface Decoder {
  decode(bytes: Uint8Array): Exported;
}

/** Starts a collector that takes everything until told otherwise; it ends with the test. */
export async function startCollector(
  t: { after(close: () => Promise<void>): void },
  port = 0,
): Promise<Collector> {
  const sockets = new Set<Socket>();
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    collector.requests.push({ path: incoming.url ?? "", headers: incoming.headers });
    if (collector.status === undefined) return;
    if (collector.status === 200) collector.spans.push(...decode(Buffer.concat(chunks)));
    response.writeHead(collector.status, { "content-type": "application/x-protobuf" }).end();
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const address = server.address();
  const taken = typeof address === "object" && address !== null ? address.port : 0;
  const collector: Collector = {
    url: `http://127.0.0.1:${taken}`,
    spans: [],
    requests: [],
    status: 200,
    named: (name) => collector.spans.filter((span) => span.name === name),
    close: () =>
      new Promise((resolve) => {
        if (!server.listening) return resolve();
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
  t.after(collector.close);
  return collector;
}

function decode(bytes: Uint8Array): CollectedSpan[] {
  const { resourceSpans } = ExportTraceServiceRequest.decode(bytes);
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: hex(span.parentSpanId),
        name: span.name,
        kind: span.kind,
        attributes: readAttributes(span.attributes),
        links: span.links.map(({ traceId, spanId }) => ({
          traceId: hex(traceId),
          spanId: hex(spanId),
        })),
        status: span.status?.code ?? 0,
        resource: readAttributes(resource.attributes),
      })),
    ),
  );
}

const hex = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString("hex");

function readAttributes(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, readAttribute(value)]));
}

function readAttribute(value: Value): unknown {
  if (value.arrayValue) return value.arrayValue.values.map(readAttribute);
  if (value.intValue != null) return Number(value.intValue);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}
