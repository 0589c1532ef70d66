import * as z from "zod/mini";
import type { CommandName } from "../core/command.ts";
import { COMMAND_LIMITS, COMMAND_NAMES, COMMANDS } from "../core/commands.ts";
import { FAILURES, type FailureCode } from "../core/failures.ts";
import { PROBLEM_TYPE } from "../core/http.ts";
import { LETTERS_LIMIT, REPLAY } from "./dead-letters.ts";
import { MEDIA_TYPES } from "./media.ts";
import { KIND_FAILURES, type RouteRow } from "./routes.ts";

type Json = { [key: string]: unknown };

/** Description of values that an application or a client has set. */
const SPELLED = "Anything; in JSON, bytes are spelled as the arguments of events are.";
const DATA = `${SPELLED} Where it cannot be written: an object with \`$error\`, why.`;

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const text = (description: string): Json => ({ type: "string", description });

/** Returns the OpenAPI 3.1 document of the routes. */
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
        "HTTP in: commands, presence, metrics and health of a Sluice gateway. In msgpack, bytes are " +
        'bytes. In JSON they are `{"$binary":"<base64>"}`, padded, in arguments and in what clients ' +
        "and the application have set: answers, data, dead letters. An object whose only key is " +
        '`$binary` or `$escape` and which is no such thing is written `{"$escape":{…}}` around it.',
    },
    paths,
    components: {
      schemas: describeSchemas(),
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
    description: "Repeats the first answer instead of carrying the commands out again.",
  };
  switch (row.kind) {
    case "commands": {
      const batch = { oneOf: [ref("Command"), ref("Commands")] };
      const lines = text("A Command or Commands per line, each answered by a line.");
      const content = { ...bodies(batch), [MEDIA_TYPES.ndjson]: { schema: lines } };
      return { parameters: [once], requestBody: { required: true, content } };
    }
    case "command":
      return {
        parameters: [once],
        requestBody: { required: true, content: bodies(ref(`${row.name}Body`)) },
      };
    case "deadletters":
      return row.method === "POST"
        ? { requestBody: { required: true, content: bodies(ref("Replay")) } }
        : { parameters: [...pageParameters(LETTERS_LIMIT.max)] };
    case "presence":
      return { parameters: presenceParameters(row) };
    default:
      return {};
  }
}

function presenceParameters({ name }: RouteRow): Json[] {
  const query = (key: string, schema: Json, description: string): Json => ({
    ...{ name: key, in: "query", schema, description },
  });
  const list = { type: "array", items: { type: "string" } };
  return [
    query("namespace", { type: "string", default: "/" }, "Namespace."),
    ...(name === "sockets"
      ? [
          query("in", list, "Rooms or socket ids; empty: nobody; left out: everyone."),
          query("except", list, "Rooms or socket ids that are left out."),
        ]
      : []),
    ...pageParameters(COMMAND_LIMITS.fetchMax),
  ];
}

function pageParameters(maximum: number): Json[] {
  return [
    {
      ...{ name: "limit", in: "query", description: "Most items of the page." },
      schema: { type: "integer", minimum: 1, maximum, default: 100 },
    },
    {
      ...{ name: "after", in: "query", description: "The `next` of the page before." },
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
      description: "Draining, or why.",
      content: { "text/plain": { schema: text("") } },
    };
  }
  return found;
}

const string: Json = { type: "string" };
const integer: Json = { type: "integer" };
const listOf = (items: Json): Json => ({ type: "array", items });
const object = (properties: Json, required: string[]): Json => ({
  ...{ type: "object", properties, required },
});

function describeSchemas(): Json {
  const schemas: Json = {};
  for (const name of COMMAND_NAMES) {
    const schema = toSchema(COMMANDS[name]);
    schemas[name] = schema;
    schemas[`${name}Body`] = withoutName(schema);
  }
  return {
    ...schemas,
    Command: {
      oneOf: COMMAND_NAMES.map(ref),
      discriminator: { propertyName: "do", mapping: mapping(COMMAND_NAMES) },
    },
    Commands: { ...listOf(ref("Command")), maxItems: COMMAND_LIMITS.batchMax },
    ...describeAnswers(),
    ...describePages(),
    Replay: toSchema(REPLAY),
    Replayed: object(
      {
        replayed: { ...integer, description: "How many were tried: those that there were." },
        delivered: { ...integer, description: "How many of them a function took." },
      },
      ["replayed", "delivered"],
    ),
    Problem: object(
      {
        ...{ type: string, title: string, status: integer, detail: string },
        code: { type: "string", enum: Object.keys(FAILURES) },
        index: { type: "integer", description: "Place of the bad command in its batch." },
        path: text("Where in the command."),
        bound: text("What the value there must be."),
      },
      ["type", "title", "status", "code"],
    ),
  };
}

function describeAnswers(): Json {
  return {
    Done: object(
      {
        ok: { const: true },
        answers: listOf(object({ id: string, answer: { description: SPELLED } }, ["id"])),
        timedOut: listOf(string),
        sockets: listOf(ref("Socket")),
        next: string,
        key: text("Of a command that waits for its time: its key."),
        cancelled: {
          type: "boolean",
          description: "Of `cancel`: whether a command waited under the key.",
        },
      },
      ["ok"],
    ),
    Refused: object({ ok: { const: false }, code: string, detail: string }, ["ok", "code"]),
    Answers: listOf({ oneOf: [ref("Done"), ref("Refused")] }),
  };
}

function describePages(): Json {
  const page = (name: string, items: Json): Json =>
    object({ [name]: listOf(items), next: text("Give it as `after` to go on.") }, [name]);
  const handshake = object(
    { address: string, issued: integer, secure: { type: "boolean" }, query: { type: "object" } },
    ["address", "issued", "secure", "query"],
  );
  return {
    Socket: object({ id: string, rooms: listOf(string), data: { description: DATA }, handshake }, [
      "id",
      "rooms",
      "handshake",
    ]),
    SocketsPage: page("sockets", ref("Socket")),
    RoomsPage: page("rooms", object({ room: string, sockets: integer }, ["room", "sockets"])),
    DeadLettersPage: page("deadLetters", { type: "object" }),
  };
}

function mapping(names: readonly CommandName[]): Json {
  return Object.fromEntries(names.map((name) => [name, `#/components/schemas/${name}`]));
}

function toSchema(schema: z.ZodMiniType): Json {
  // A JSON Schema is always an object.
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "input" }) as Json;
  return rest;
}

// The route of a command names it, so `do` is not required there.
function withoutName(schema: Json): Json {
  const { required } = schema as { required?: readonly string[] }; // as JSON Schema has it
  return { ...schema, required: (required ?? []).filter((name) => name !== "do") };
}
