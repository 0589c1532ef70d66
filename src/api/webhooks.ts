import { CALL_TYPES, type CallKind } from "../core/call.ts";
import { type Json, ref, text } from "./schemas.ts";

/** What a function is called with, and how it may answer. */
interface Webhook {
  readonly text: string;
  readonly call: string;
  readonly answer: string;
  /** What a refusal does, where there is somebody to refuse. */
  readonly refused?: string;
}

/** The calls of functions, by the names of the document's webhooks. */
const WEBHOOKS: Readonly<Record<CallKind | "batch", Webhook>> = {
  connect: {
    text: "A client connects to a namespace. It waits for the answer.",
    call: "ConnectCall",
    answer: "ConnectAnswer",
    refused: "Refuses the client. It gets a `connect_error` with this message and data.",
  },
  event: {
    text: "A client has emitted an event. If `ack` is true, it waits for the answer.",
    call: "EventCall",
    answer: "EventAnswer",
    refused:
      "Refuses the event. The client's acknowledgement gets this message and data as its error.",
  },
  disconnect: {
    text: "A socket has disconnected. This call comes after its last event.",
    call: "DisconnectCall",
    answer: "EventAnswer",
  },
  connected: {
    text: "A client has connected. Only for routes with `connected`.",
    call: "ConnectedCall",
    answer: "EventAnswer",
  },
  batch: {
    text: "Several events without acknowledgement in one request. Only for routes with `batch`.",
    call: "BatchCall",
    answer: "BatchAnswer",
  },
};

const SIGNATURE: Readonly<Record<string, string>> = {
  "webhook-id": "Id of the call, the same in every attempt. A batch has an id of its own.",
  "webhook-timestamp": "When this attempt was signed, in seconds since 1970.",
  "webhook-signature":
    "Standard Webhooks: `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64. One for each " +
    "secret, separated by spaces.",
};

const TRACE: Readonly<Record<string, string>> = {
  traceparent: "W3C trace context.",
  tracestate: "W3C trace state.",
};

const ATTRIBUTES: Readonly<Record<string, string>> = {
  "ce-id": "The same as `webhook-id`.",
  "ce-source": "`/namespaces/<namespace>/sockets/<id>`.",
  "ce-time": "When it happened, in RFC 3339.",
  "ce-namespace": "The socket's namespace, percent-encoded.",
  "ce-socketid": "The socket's id, percent-encoded.",
};

/** Returns the webhooks of the OpenAPI document: the calls that functions get. */
export function describeWebhooks(): Json {
  const all = Object.entries(WEBHOOKS) as [CallKind | "batch", Webhook][]; // its own keys
  return Object.fromEntries(all.map(([name, row]) => [name, { post: describeCall(name, row) }]));
}

function describeCall(name: CallKind | "batch", row: Webhook): Json {
  const batch = name === "batch";
  const type = batch ? "application/cloudevents-batch+json" : "application/json";
  return {
    operationId: `call_${name}`,
    summary: row.text,
    parameters: [
      ...Object.keys(SIGNATURE),
      ...(batch ? [] : attributesOf(name)),
      ...Object.keys(TRACE),
    ].map((header) => ({ $ref: `#/components/parameters/${header}` })),
    requestBody: { required: true, content: { [type]: { schema: ref(row.call) } } },
    responses: describeAnswers(row),
  };
}

function attributesOf(name: CallKind): readonly string[] {
  const all = ["ce-specversion", `ce-type-${name}`, ...Object.keys(ATTRIBUTES)];
  return name === "event" ? [...all, "ce-subject"] : all;
}

function describeAnswers({ answer, refused }: Webhook): Json {
  const content = { "application/json": { schema: { anyOf: [ref(answer), { type: "null" }] } } };
  const refusal = {
    description: refused,
    content: { "application/json": { schema: ref("Refusal") } },
  };
  const shared = (name: string) => ({ $ref: `#/components/responses/${name}` });
  return {
    "200": { description: "The call is done. The body may be empty.", content },
    "204": { description: "The call is done. There is no body." },
    ...(refused !== undefined && { "401": refusal, "403": refusal, "422": refusal }),
    "410": shared("Gone"),
    "429": shared("Paused"),
    "503": shared("Paused"),
    "4XX": shared("Rejected"),
    "5XX": shared("Failed"),
  };
}

/** Returns the parameters and responses that the webhooks share. */
export function describeShared(): { readonly parameters: Json; readonly responses: Json } {
  const header = (name: string, schema: Json, required = true) => ({
    ...{ name, in: "header", required, schema, description: schema.description ?? name },
  });
  const plain = (name: string, what: string, required = true) => header(name, text(what), required);
  const fixed = Object.entries({ ...SIGNATURE, ...ATTRIBUTES });
  const types = Object.entries(CALL_TYPES).map(([kind, type]) => [
    `ce-type-${kind}`,
    header("ce-type", { const: type, description: "The kind of the call." }),
  ]);
  return {
    parameters: {
      ...Object.fromEntries(fixed.map(([name, what]) => [name, plain(name, what)])),
      ...Object.fromEntries(types),
      "ce-specversion": header("ce-specversion", { const: "1.0", description: "CloudEvents 1.0." }),
      "ce-subject": plain(
        "ce-subject",
        "The event's name, percent-encoded. Absent if it is empty.",
        false,
      ),
      ...Object.fromEntries(
        Object.entries(TRACE).map(([name, what]) => [name, plain(name, what, false)]),
      ),
    },
    responses: RESPONSES,
  };
}

const RESPONSES: Readonly<Json> = {
  Gone: {
    description: "The function is gone. The gateway does not call its route for `upstream.goneMs`.",
  },
  Paused: {
    description:
      "The function is busy. If the answer has `Retry-After`, the gateway does not call its origin for that long.",
    headers: { "Retry-After": { schema: text("Seconds, or an HTTP date.") } },
  },
  Rejected: {
    description:
      "The call is wrong, such as its signature. The gateway does not retry it. 408 and 425 count as 5XX.",
  },
  Failed: {
    description:
      "The function failed. The gateway retries the call unless a client waits for the answer.",
  },
};
