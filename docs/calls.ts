import { exampleBlocks, fieldTable, nameIn, typeOf } from "./fields.ts";
import { code, page, table } from "./markdown.ts";
import { type Document, follow, type Operation, openApiDocument, type Schema } from "./schemas.ts";

/** Returns the page of the calls that functions get, from the webhooks of the OpenAPI document. */
export function callsPage(): string {
  const document = openApiDocument();
  const { schemas } = document.components;
  const webhooks = Object.entries(document.webhooks);
  const told = new Map<string, string>();
  return page(
    "Calls and answers",
    "Every call that the gateway sends to a function, and every answer that the function may give. " +
      "How to write a function, and what is promised, is in [functions.md](functions.md).",
    "- Every call is a POST with a JSON body.\n" +
      "- Ignore members that are not listed here. Later gateways may add some. The gateway ignores " +
      "unknown members of answers.\n" +
      "- In an answer, `null` means the same as an absent member.\n" +
      "- The calls are also the webhooks of [openapi.json](openapi.json), which every gateway serves " +
      "at `GET /v1/openapi.json`. [schemas/calls.json](schemas/calls.json) is a JSON Schema of the bodies.",
    table(
      ["Call", "When"],
      webhooks.map(([name, { post }]) => [`[${code(name)}](#${name})`, post.summary]),
    ),
    "## Headers",
    headerTable(document),
    "## Statuses",
    statusTable(document),
    "## The socket",
    "Every call has it as `socket`.",
    fieldTable(schemas.CallSocket ?? {}, document),
    ...webhooks.map(([name, { post }]) => section(name, post, { document, told })),
  );
}

/** Returns the rows of all calls, each once, with the calls that have it after its first cell. */
function forCalls(
  rows: readonly (readonly [call: string, cells: readonly string[]])[],
  document: Document,
): readonly (readonly string[])[] {
  const calls = new Map<string, string[]>();
  for (const [call, cells] of rows) {
    const key = JSON.stringify(cells);
    calls.set(key, [...(calls.get(key) ?? []), call]);
  }
  const count = Object.keys(document.webhooks).length;
  return [...calls].map(([key, names]) => {
    const [first = "", ...cells] = JSON.parse(key) as string[]; // as it was written above
    return [first, names.length === count ? "every call" : names.join(", "), ...cells];
  });
}

function headerTable(document: Document): string {
  const rows = Object.entries(document.webhooks).flatMap(([call, { post }]) =>
    (post.parameters ?? [])
      .map((one) => follow(one, document.components.parameters))
      .map((one) => [call, [code(one.name), typeOf(one.schema), one.description]] as const),
  );
  const found = forCalls(rows, document);
  const placeOf = ([name]: readonly string[]) => found.findIndex(([other]) => other === name);
  const sorted = found.toSorted((a, b) => placeOf(a) - placeOf(b));
  return table(["Header", "Calls", "Type", "What it is"], sorted);
}

function statusTable(document: Document): string {
  const rows = Object.entries(document.webhooks).flatMap(([call, { post }]) =>
    Object.entries(post.responses)
      .map(([status, one]) => [status, follow(one, document.components.responses)] as const)
      .map(([status, one]) => [call, [status, one.description]] as const),
  );
  const sorted = forCalls(rows, document).toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1));
  return `${table(["Status", "Calls", "What it does"], sorted)}\n\n${refusal(document)}`;
}

function refusal(document: Document): string {
  const { Refusal = {} } = document.components.schemas;
  const parts = [fieldTable(Refusal, document), ...exampleBlocks("Refusal", document)];
  return ["The body of a 401, 403 or 422 (a refusal):", ...parts].join("\n\n");
}

function section(
  name: string,
  operation: Operation,
  { document, told }: { readonly document: Document; readonly told: Map<string, string> },
): string {
  const { responses } = document.components;
  const [[type, call] = []] = Object.entries(operation.requestBody?.content ?? {});
  const done = follow(operation.responses["200"] ?? { description: "" }, responses);
  const answer = done.content?.["application/json"]?.schema.anyOf?.[0];
  if (!type || !call || !answer?.$ref) throw new Error(`${name} has no body, or no answer`);
  const before = told.get(answer.$ref);
  told.set(answer.$ref, before ?? name);
  return [
    `## ${name}`,
    operation.summary,
    `Body (${code(type)}):`,
    ...shown(call.schema, document),
    ...(before === undefined
      ? ["Answer:", ...shown(answer, document)]
      : [`Answer: the same as to [${code(before)}](#${before}).`]),
  ].join("\n\n");
}

function shown(given: Schema, document: Document): string[] {
  const schema = follow(given, document.components.schemas);
  const { items } = schema;
  const table = fieldTable(items ?? schema, document);
  return [...(items ? ["A list of:"] : []), table, ...exampleBlocks(nameIn(given), document)];
}
