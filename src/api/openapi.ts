import { COMMAND_LIMITS } from "../core/commands.ts";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import { PROBLEM_TYPE } from "../core/http.ts";
import { LETTERS_LIMIT } from "./dead-letters.ts";
import { MEDIA_TYPES } from "./media.ts";
import { KIND_FAILURES, type RouteRow } from "./routes.ts";
import { describeSchemas, type Json, ref, text } from "./schemas.ts";
import { describeShared, describeWebhooks } from "./webhooks.ts";

/** Returns the OpenAPI 3.1 document of the routes, and of the calls that functions get. */
export function describeApi(rows: readonly RouteRow[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const row of rows) {
    paths[row.path] = { ...paths[row.path], [row.method.toLowerCase()]: describeRoute(row) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Sluice",
      version,
      description:
        "HTTP in: commands, presence, metrics and health of a Sluice gateway. HTTP out: the " +
        "webhooks by which it calls functions. In msgpack, bytes are bytes. In JSON they are " +
        '`{"$binary":"<base64>"}`, padded, in arguments and in what clients and the application ' +
        "have set: answers, data, dead letters. An object whose only key is `$binary` or `$escape` " +
        'and which is no such thing is written `{"$escape":{…}}` around it.',
    },
    paths,
    webhooks: describeWebhooks(),
    components: {
      schemas: describeSchemas(),
      ...describeShared(),
      securitySchemes: {
        key: {
          type: "http",
          scheme: "bearer",
          description: "An API key, or a JSON Web Token with a `sluice` claim.",
        },
      },
    },
  };
}

function describeRoute(row: RouteRow): Json {
  const keyed = row.kind !== "page";
  return {
    operationId: row.method === "GET" && keyed ? `list_${row.name}` : row.name,
    summary: row.text,
    ...(keyed && { security: [{ key: [] }] }),
    ...describeInput(row),
    responses: { "200": describeAnswer(row), ...describeFailures(row) },
  };
}

function describeInput(row: RouteRow): Json {
  const once = {
    name: "Idempotency-Key",
    in: "header",
    schema: { type: "string", minLength: 1, maxLength: 255 },
    description:
      "A request with a key that was used before gets the first answer again; nothing is carried out twice.",
  };
  const trace = {
    ...{ name: "traceparent", in: "header", schema: { type: "string" } },
    description: "W3C trace context of the caller.",
  };
  switch (row.kind) {
    case "commands": {
      const batch = { oneOf: [ref("Command"), ref("Commands")] };
      const lines = text("A Command or Commands on each line; each is answered by a line.");
      const content = { ...bodies(batch), [MEDIA_TYPES.ndjson]: { schema: lines } };
      return { parameters: [once, trace], requestBody: { required: true, content } };
    }
    case "command":
      return {
        parameters: [once, trace],
        requestBody: { required: true, content: bodies(ref(`${row.name}Body`)) },
      };
    case "deadletters":
      return describeLettersRequest(row);
    case "presence":
      return { parameters: presenceParameters(row) };
    default:
      return {};
  }
}

function describeLettersRequest({ name }: RouteRow): Json {
  if (name === "routes") return {};
  if (name === "deadLetters") {
    return {
      parameters: [
        query("route", { type: "string" }, "Only those of this route."),
        query("reason", { type: "string" }, "Only those with this failure code."),
        ...pageParameters(LETTERS_LIMIT.max),
      ],
    };
  }
  const body = name === "replay" ? "Replay" : "Revive";
  return { requestBody: { required: true, content: bodies(ref(body)) } };
}

function presenceParameters({ name }: RouteRow): Json[] {
  const list = { type: "array", items: { type: "string" } };
  return [
    query("namespace", { type: "string", default: "/" }, "Namespace."),
    ...(name === "sockets"
      ? [
          query("in", list, "Rooms or socket ids. Empty means nobody; without it, everyone."),
          query("except", list, "Rooms or socket ids to leave out."),
        ]
      : []),
    ...pageParameters(COMMAND_LIMITS.fetchMax),
  ];
}

function query(name: string, schema: Json, description: string): Json {
  return { name, in: "query", schema, description };
}

function pageParameters(maximum: number): Json[] {
  return [
    {
      ...{ name: "limit", in: "query", description: "Items on a page, at most." },
      schema: { type: "integer", minimum: 1, maximum, default: 100 },
    },
    {
      ...{ name: "after", in: "query", description: "The `next` of the previous page." },
      schema: { type: "string" },
    },
  ];
}

function bodies(schema: Json): Json {
  return { [MEDIA_TYPES.json]: { schema }, [MEDIA_TYPES.msgpack]: { schema } };
}

function describeAnswer({ name, kind }: RouteRow): Json {
  const description = "Done.";
  if (kind === "command") return { description, content: bodies(ref("Done")) };
  if (kind === "commands") {
    const content = {
      ...bodies({ oneOf: [ref("Done"), ref("Answers")] }),
      [MEDIA_TYPES.ndjson]: { schema: text("An Answer or Answers per line.") },
    };
    return { description: "Done, or one answer per command, some of them refused.", content };
  }
  const lists: Record<string, string> = {
    rooms: "RoomsPage",
    sockets: "SocketsPage",
    deadLetters: "DeadLettersPage",
    replay: "Replayed",
    routes: "FunctionRoutes",
    revive: "Revived",
  };
  const list = lists[name];
  if (list) return { description, content: bodies(ref(list)) };
  const type = name === "openapi" ? MEDIA_TYPES.json : "text/plain";
  return {
    description,
    content: { [type]: { schema: { type: name === "openapi" ? "object" : "string" } } },
  };
}

function describeFailures(row: RouteRow): Json {
  const byStatus = new Map<number, FailureCode[]>();
  for (const code of new Set([...KIND_FAILURES[row.kind], ...row.failures])) {
    const { status } = FAILURES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const found: Json = {};
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    const schema = {
      allOf: [ref("Problem"), { properties: { code: { enum: codes } } }],
    };
    found[status] = {
      description: codes.map((code) => `\`${code}\`: ${FAILURES[code].text}.`).join(" "),
      content: { [PROBLEM_TYPE]: { schema } },
    };
  }
  if (row.name === "readyz") {
    found["503"] = {
      description: "Not ready; the body says why, such as `draining`.",
      content: { "text/plain": { schema: text("") } },
    };
  }
  return found;
}
