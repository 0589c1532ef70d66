import { code, table, writeJson } from "./markdown.ts";
import { type Document, follow, type Operation, type Schema } from "./schemas.ts";

/** Schemas whose members stand elsewhere, by what the pages call them. */
const NAMED: Readonly<Record<string, string>> = {
  Value: "anything",
  Tell: "[command](http-api.md)",
  CallSocket: "[socket](#the-socket)",
  EventCall: "body of an [event](#event)",
};

/** Returns the table of an operation's parameters; none if it has none. */
export function parameterTable({ parameters = [] }: Operation, document: Document): string[] {
  if (parameters.length === 0) return [];
  const rows = parameters
    .map((one) => follow(one, document.components.parameters))
    .map((one) => [code(one.name), one.in, typeOf(one.schema), one.description]);
  return [table(["Parameter", "In", "Type", "What it is"], rows)];
}

/** Returns the table of an operation's answers, by status. */
export function statusTable({ responses }: Operation, document: Document): string {
  const rows = Object.entries(responses).map(([status, one]) => [
    status,
    follow(one, document.components.responses).description,
  ]);
  return table(["Status", "When"], rows);
}

/** Returns the table of an object's members, and of theirs. */
export function fieldTable(schema: Schema, document: Document): string {
  return table(["Field", "Type", "Required", "What it is"], [...rowsOf(schema, document, "")]);
}

/** Returns the examples of a schema of the document as blocks of JSON; none if it has none. */
export function exampleBlocks(name: string, document: Document): string[] {
  const { examples = [] } = document.components.schemas[name] ?? {};
  // GitHub shows only the language; a test reads the name.
  return examples.map((example) => `\`\`\`json ${name}\n${writeJson(example)}\n\`\`\``);
}

/** Returns the name of the schema that a reference points to; empty for what is no reference. */
export function nameIn({ $ref = "" }: Schema): string {
  return $ref.split("/").at(-1) ?? "";
}

function* rowsOf(schema: Schema, document: Document, path: string): Generator<string[]> {
  const required = new Set(schema.required);
  for (const [field, one] of Object.entries(schema.properties ?? {})) {
    // A route names its command.
    if (field === "do" && one.const !== undefined && !required.has("do")) continue;
    if (one.type === "null") continue;
    const name = path + field;
    const word = required.has(field) ? "yes" : "";
    yield [code(name), typeOf(one), word, one.description ?? ""];
    const inner = memberOf(one, document);
    if (inner) yield* rowsOf(inner.schema, document, `${name}${inner.mark}.`);
  }
}

/** Returns the object that a member is, or is a list of, if its own members are to be shown. */
function memberOf(
  schema: Schema,
  document: Document,
): { readonly schema: Schema; readonly mark: string } | undefined {
  const ways = (schema.anyOf ?? [schema]).flatMap((one) => one.anyOf ?? one.allOf ?? [one]);
  for (const one of ways) {
    const item = one.items ?? one;
    if (nameIn(item) in NAMED) continue;
    const real = follow(item, document.components.schemas);
    if (real.properties) return { schema: real, mark: one.items ? "[]" : "" };
  }
  return undefined;
}

/** Returns what the pages say of the values of a schema. */
export function typeOf(schema: Schema): string {
  const { minimum, maximum, maxLength, maxItems, items, additionalProperties: more } = schema;
  const ways = (schema.anyOf ?? []).filter((one) => one.type !== "null");
  if (ways.length > 0) return ways.map(typeOf).join(", or ");
  if (schema.allOf) return schema.allOf.map(typeOf).join(" with ");
  const name = nameOf(schema);
  return [
    name === "array" && items ? `list of ${manyOf(items)}` : name,
    ...(typeof more === "object" ? [`of ${typeOf(more)}`] : []),
    // Zod gives every integer the bounds of the safe ones.
    ...(minimum !== undefined && maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER
      ? [`${minimum}…${maximum}`]
      : []),
    ...(maxLength !== undefined ? [`at most ${maxLength} characters`] : []),
    ...(maxItems !== undefined ? [`at most ${maxItems} items`] : []),
    ...(schema.default !== undefined ? [`default ${code(JSON.stringify(schema.default))}`] : []),
  ].join(", ");
}

/** Returns what the pages say of the items of a list. */
function manyOf(items: Schema): string {
  const [kind = "", ...bounds] = typeOf(items).split(", ");
  const many = /^(string|integer|number|object)$/.test(kind) ? `${kind}s` : kind;
  return bounds.length === 0 ? many : `${many} (${bounds.join(", ")})`;
}

function nameOf(schema: Schema): string {
  const { $ref, type = [], const: fixed, enum: words } = schema;
  if ($ref !== undefined) return NAMED[nameIn(schema)] ?? "object";
  if (words) return words.map((value) => JSON.stringify(value)).join(" or ");
  if (fixed !== undefined) return JSON.stringify(fixed);
  const kinds = typeof type === "string" ? [type] : type.filter((kind) => kind !== "null");
  return kinds.join(" or ") || "anything";
}
