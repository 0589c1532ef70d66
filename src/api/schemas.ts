import * as z from "zod/mini";
import { createCallSchemas } from "../core/call-schemas.ts";
import type { CommandName } from "../core/command.ts";
import { COMMAND_LIMITS, COMMAND_NAMES, COMMANDS } from "../core/commands.ts";
import { FAILURES } from "../core/failures.ts";
import { MEMBERS, SCHEMAS_REF, VALUE } from "../core/value-schema.ts";
import { REPLAY, REVIVE } from "./dead-letters.ts";
import { EXAMPLES } from "./examples.ts";

/** What JSON can say. */
export type Json = { [key: string]: unknown };

/** Description of values that an application or a client has set. */
const SPELLED = "Any value. In JSON, bytes are written as in `args`.";
const DATA = `${SPELLED} A value that cannot be written becomes \`{ "$error": "…" }\` with the reason.`;

/** Returns a reference to a schema of the OpenAPI document. */
export const ref = (name: string): Json => ({ $ref: `${SCHEMAS_REF}${name}` });
/** Returns the schema of a text. */
export const text = (description: string): Json => ({ type: "string", description });

const string: Json = { type: "string" };
const integer: Json = { type: "integer" };
const listOf = (items: Json): Json => ({ type: "array", items });
const object = (properties: Json, required: string[]): Json => ({
  ...{ type: "object", properties, required },
});

/** Returns the schemas of the OpenAPI document by their names, with their examples. */
export function describeSchemas(): Record<string, Json> {
  const schemas: Record<string, Json> = {
    ...describeRead(),
    Command: {
      oneOf: COMMAND_NAMES.map(ref),
      discriminator: { propertyName: "do", mapping: mapping(COMMAND_NAMES) },
    },
    Commands: { ...listOf(ref("Command")), maxItems: COMMAND_LIMITS.batchMax },
    ...describeAnswers(),
    ...describePages(),
    Replayed: object(
      {
        replayed: { ...integer, description: "How many were found and called again." },
        delivered: { ...integer, description: "How many of these calls succeeded." },
      },
      ["replayed", "delivered"],
    ),
    FunctionRoutes: object({ routes: listOf(ref("FunctionRoute")) }, ["routes"]),
    FunctionRoute: object(
      {
        name: string,
        url: text("Without a query."),
        state: { type: "string", enum: ["open", "gone"] },
      },
      ["name", "url", "state"],
    ),
    Revived: object({ revived: { ...integer, description: "How many of them were paused." } }, [
      "revived",
    ]),
    Problem: object(
      {
        ...{ type: string, title: string, status: integer, detail: string },
        code: { type: "string", enum: Object.keys(FAILURES) },
        index: { type: "integer", description: "Index of the bad command in the list." },
        path: text("Where in the command the value is."),
        bound: text("What the value there must be."),
      },
      ["type", "title", "status", "code"],
    ),
  };
  for (const [name, examples] of Object.entries(EXAMPLES)) {
    schemas[name] = { ...schemas[name], examples };
  }
  for (const name of COMMAND_NAMES) schemas[`${name}Body`] = withoutName(schemas[name] ?? {});
  return schemas;
}

/** Returns the schemas by which values are read, and those of calls. */
function describeRead(): Record<string, Json> {
  const named = z.registry<{ id: string }>();
  const values = { Value: VALUE, Members: MEMBERS };
  const bodies = { Replay: REPLAY, Revive: REVIVE };
  const all = { ...COMMANDS, ...values, ...createCallSchemas(), ...bodies };
  for (const [id, schema] of Object.entries(all)) named.add(schema, { id });
  const uri = (id: string) => `${SCHEMAS_REF}${id}`;
  const { schemas } = z.toJSONSchema(named, { io: "input", uri });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _, $id: __, ...schema }]) => [name, schema]),
  );
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
        key: text("Of a delayed command: its key."),
        cancelled: {
          type: "boolean",
          description: "Of `cancel`: whether there was a command with this key.",
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
    object({ [name]: listOf(items), next: text("Send it as `after` to get the next page.") }, [
      name,
    ]);
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
    DeadLetter: describeDeadLetter(),
    DeadLettersPage: page("deadLetters", ref("DeadLetter")),
  };
}

function describeDeadLetter(): Json {
  const about = {
    id: text("Its `webhook-id`."),
    route: text("Name of its route."),
    reason: text("Failure code of the last attempt."),
    attempts: integer,
    status: { ...integer, description: "HTTP status of the last answer, if any." },
    detail: string,
    at: { ...integer, description: "When its last attempt failed, in milliseconds since 1970." },
    ...{ type: string, namespace: string, socketId: string },
    data: { description: "The body of the call." },
  };
  const { status: _, detail: __, ...always } = about;
  return object(about, Object.keys(always));
}

function mapping(names: readonly CommandName[]): Json {
  return Object.fromEntries(names.map((name) => [name, `${SCHEMAS_REF}${name}`]));
}

// The route of a command names it, so `do` is not required there.
function withoutName(schema: Json): Json {
  const { required, examples, ...rest } = schema as {
    readonly required?: readonly string[]; // as JSON Schema has it
    readonly examples?: readonly Json[]; // of commands, which are objects
  };
  return {
    ...rest,
    required: (required ?? []).filter((name) => name !== "do"),
    examples: examples?.map(({ do: _, ...body }) => body),
  };
}
