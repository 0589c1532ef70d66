import { writeJson } from "./markdown.ts";
import type { Document, Operation } from "./schemas.ts";

/** A request as a command for a shell, and what the gateway answers. */
interface Curl {
  /** What it shows, where that is more than the route's own sentence. */
  readonly about?: string;
  /** The JSON of the body, other arguments of curl, or the query. */
  readonly body?: unknown;
  readonly more?: readonly string[];
  readonly query?: string;
  /** Lines before curl, which end in a pipe. */
  readonly before?: string;
  readonly status?: number;
  /** When it answers so, where that depends on the gateway. */
  readonly when?: string;
  /** The answer: the name of its schema and an example of it; or a text. */
  readonly answer: readonly [schema: string, example: unknown] | string;
}

const DONE = ["Done", { ok: true }] as const;
const ID = "Yx3kq0BvVJ9sAAAB";
const SOCKET = {
  id: ID,
  rooms: [ID, "tea"],
  data: { name: "Ada" },
  handshake: {
    address: "203.0.113.7",
    issued: 1767268800000,
    secure: true,
    query: { EIO: "4", transport: "websocket" },
  },
};
const LETTER = {
  id: "evt_8sKQ_2",
  route: "default",
  reason: "UPSTREAM_FAILED",
  attempts: 5,
  status: 500,
  at: 1767268800000,
  type: "io.sluice.event",
  namespace: "/",
  socketId: ID,
  data: { socket: { id: ID, namespace: "/" }, event: "typing", args: ["tea"], ack: false },
};
const NEEDS_FUNCTIONS = "if the gateway has functions (`upstream.url`), else `404`";

/** The answers of the routes of single commands, in the order of their examples. */
const COMMAND_ANSWERS: Readonly<Record<string, readonly Curl[]>> = {
  emit: [
    { answer: DONE },
    {
      about: "Emit in 30 seconds. The answer repeats the `key`, by which `cancel` finds it:",
      answer: ["Done", { ok: true, key: "table:7 turn" }],
    },
    {
      about: "Emit to everyone in a namespace, and only once however often you send the request:",
      body: { event: "news", args: ["closed today"] },
      more: ['-H "Idempotency-Key: closed-2026-01-01"'],
      answer: DONE,
    },
  ],
  emitWithAck: [
    {
      answer: [
        "Done",
        { ok: true, answers: [{ id: ID, answer: "yes" }], timedOut: ["b7Q1xWmVQ2c0AAAD"] },
      ],
    },
  ],
  socketsJoin: [{ answer: DONE }],
  socketsLeave: [{ answer: DONE }],
  disconnectSockets: [{ answer: DONE }],
  fetchSockets: [{ answer: ["Done", { ok: true, sockets: [SOCKET], next: ID }] }],
  serverSideEmit: [{ when: "in a cluster. On a single node: `409`", answer: DONE }],
  cancel: [{ answer: ["Done", { ok: true, cancelled: true }] }],
};

const LINES = [
  { do: "emit", to: ["tea"], event: "tick", args: [1] },
  { do: "emit", to: ["tea"], event: "tick", args: [2] },
];

const CURLS: Readonly<Record<string, readonly Curl[]>> = {
  "POST /v1/commands": [
    {
      about: "A list. All commands are checked before the first is carried out:",
      body: [
        { do: "socketsJoin", in: [ID], rooms: ["tea"] },
        { do: "emit", to: ["tea"], event: "joined", args: ["Ada"] },
      ],
      answer: ["Answers", [{ ok: true }, { ok: true }]],
    },
    {
      about: "A stream (NDJSON). Each line is carried out, and answered, as it arrives:",
      before: `printf '%s\\n' ${LINES.map((line) => `'${writeJson(line)}'`).join(" \\\n  ")} |`,
      more: ['-H "Content-Type: application/x-ndjson"', "--data-binary @-"],
      answer: '{"ok":true}\n{"ok":true}',
    },
  ],
  "GET /v1/rooms": [
    { query: "limit=100", answer: ["RoomsPage", { rooms: [{ room: "tea", sockets: 2 }] }] },
  ],
  "GET /v1/sockets": [
    { query: "in=tea&in=coffee&limit=1", answer: ["SocketsPage", { sockets: [SOCKET], next: ID }] },
  ],
  "GET /v1/deadletters": [
    {
      query: "reason=UPSTREAM_FAILED&limit=100",
      when: NEEDS_FUNCTIONS,
      answer: ["DeadLettersPage", { deadLetters: [LETTER] }],
    },
  ],
  "POST /v1/deadletters": [
    {
      about: "Some, by their ids:",
      body: { ids: ["evt_8sKQ_2"] },
      when: NEEDS_FUNCTIONS,
      answer: ["Replayed", { replayed: 1, delivered: 1 }],
    },
    {
      about: "All of one route that failed for one reason:",
      body: { route: "default", reason: "UPSTREAM_FAILED" },
      when: NEEDS_FUNCTIONS,
      answer: ["Replayed", { replayed: 12, delivered: 11 }],
    },
  ],
  "GET /v1/routes": [
    {
      when: NEEDS_FUNCTIONS,
      answer: [
        "FunctionRoutes",
        { routes: [{ name: "default", url: "https://chat.example/call", state: "open" }] },
      ],
    },
  ],
  "POST /v1/routes/revive": [
    {
      body: { names: ["default"] },
      when: NEEDS_FUNCTIONS,
      answer: ["Revived", { revived: 1 }],
    },
  ],
  "GET /metrics": [{ answer: "# TYPE sluice_connections gauge\n…" }],
  "GET /healthz": [{ answer: "ok" }],
  "GET /readyz": [{ answer: "ready" }],
  "GET /v1/openapi.json": [{ answer: '{"openapi":"3.1.0","info":{"title":"Sluice",…' }],
};

/** Returns the requests of a route, each with its answer, as Markdown. */
export function curlBlocks(title: string, operation: Operation, document: Document): string[] {
  const [method, path = ""] = title.split(" ");
  const { examples = [] } = document.components.schemas[`${operation.operationId}Body`] ?? {};
  const shown =
    CURLS[title] ??
    COMMAND_ANSWERS[operation.operationId]?.map((curl, at) => ({ body: examples[at], ...curl }));
  if (!shown || !method) throw new Error(`${title} has no curl`);
  const keyed = operation.security !== undefined;
  return shown.flatMap((curl) => {
    const about = curl.about === undefined ? [] : [curl.about];
    return [...about, command(path, { curl, keyed }), ...answer(curl)];
  });
}

function command(
  path: string,
  { curl, keyed }: { readonly curl: Curl; readonly keyed: boolean },
): string {
  const { body, more = [], query, before } = curl;
  const parts = [
    `curl "$SLUICE_URL${path}${query === undefined ? "" : `?${query}`}"`,
    ...(keyed ? ['-H "Authorization: Bearer $SLUICE_KEY"'] : []),
    ...(body === undefined ? [] : ['-H "Content-Type: application/json"']),
    ...more,
    ...(body === undefined ? [] : [`-d '${writeJson(body)}'`]),
  ];
  const lines = [...(before === undefined ? [] : [before]), parts.join(" \\\n  ")];
  return `\`\`\`sh\n${lines.join("\n")}\n\`\`\``;
}

function answer({ status = 200, when, answer }: Curl): string[] {
  const promise = `Answers \`${status}\`${when === undefined ? "" : ` ${when}`}:`;
  if (typeof answer === "string") return [promise, `\`\`\`text\n${answer}\n\`\`\``];
  const [schema, example] = answer;
  return [promise, `\`\`\`json ${schema}\n${writeJson(example)}\n\`\`\``];
}
