import { KIND_FAILURES, listRoutes, type RouteRow } from "../src/api/routes.ts";
import { FAILURES, type FailureCode } from "../src/core/failures.ts";
import { readSettings } from "../src/core/settings.ts";
import { fieldTable, parameterTable } from "./fields.ts";
import { curlBlocks } from "./http-curls.ts";
import { HTTP_BODIES, HTTP_INTRO, HTTP_KEYS } from "./http-intro.ts";
import { code, page, sentence, table } from "./markdown.ts";
import { prose } from "./prose.ts";
import { type Document, follow, type Operation, openApiDocument, type Schema } from "./schemas.ts";

/** A route with its part of the OpenAPI document. */
interface Route {
  readonly title: string;
  readonly operation: Operation;
  readonly failures: ReadonlySet<FailureCode>;
}

/** Groups of routes that share failures, the widest first. */
const GROUPS: readonly (readonly [name: string, has: (operation: Operation) => boolean])[] = [
  ["every route", () => true],
  ["every route with a key", ({ security }) => security !== undefined],
  ["every route with a body", ({ requestBody }) => requestBody !== undefined],
  ["every command", ({ parameters = [] }) => parameters.some(isIdempotencyKey)],
  [
    "every command, `GET /v1/rooms`, `GET /v1/sockets`",
    ({ parameters = [] }) =>
      parameters.some((one) => isIdempotencyKey(one) || isNamed(one, "namespace")),
  ],
];

/** Returns the page of the HTTP API, from its OpenAPI document. */
export function httpApiPage(): string {
  const document = openApiDocument();
  const routes = listRoutes(readSettings({}).metrics.path).map((row) => readRoute(row, document));
  const shared = sharedFailures(routes);
  return page(
    "HTTP API",
    ...HTTP_INTRO,
    "## Routes",
    table(
      ["Request", "What it does", "Needs"],
      routes.map(({ title, operation }) => [
        `[\`${title}\`](#${anchorOf(title)})`,
        operation.summary,
        operation.security === undefined ? "" : "a key",
      ]),
    ),
    ...HTTP_KEYS,
    ...HTTP_BODIES,
    "## Errors of many routes",
    "A route's own errors are in its section. These are the others:",
    table(["Status", "Code", "What it says", "Routes"], rowsOfShared(shared)),
    ...routes.map((route) => section(route, { document, shared })),
  );
}

function readRoute(row: RouteRow, document: Document): Route {
  const operation = document.paths[row.path]?.[row.method.toLowerCase()];
  if (!operation) throw new Error(`${row.path} is not in the OpenAPI document`);
  const failures = new Set([...KIND_FAILURES[row.kind], ...row.failures]);
  return { title: `${row.method} ${row.path}`, operation, failures };
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, "")
    .replaceAll(" ", "-");
}

function isNamed(parameter: object, name: string): boolean {
  return "name" in parameter && parameter.name === name;
}

function isIdempotencyKey(parameter: object): boolean {
  return isNamed(parameter, "Idempotency-Key");
}

/** Returns the failures that exactly the routes of a group have, with the group's name. */
function sharedFailures(routes: readonly Route[]): ReadonlyMap<FailureCode, string> {
  const found = new Map<FailureCode, string>();
  for (const failure of new Set(routes.flatMap(({ failures }) => [...failures]))) {
    const group = GROUPS.find(([, has]) =>
      routes.every(({ operation, failures }) => failures.has(failure) === has(operation)),
    );
    if (group) found.set(failure, group[0]);
  }
  return found;
}

function rowsOfShared(shared: ReadonlyMap<FailureCode, string>): string[][] {
  return [...shared]
    .toSorted(([a], [b]) => FAILURES[a].status - FAILURES[b].status)
    .map(([name, group]) => [...failureCells(name), group]);
}

function failureCells(name: FailureCode): string[] {
  return [String(FAILURES[name].status), code(name), prose(sentence(FAILURES[name].text))];
}

function section(
  { title, operation, failures }: Route,
  {
    document,
    shared,
  }: { readonly document: Document; readonly shared: ReadonlyMap<FailureCode, string> },
): string {
  const parts = [`## ${title}`, operation.summary, ...curlBlocks(title, operation, document)];
  parts.push(...parameterTable(operation, document));
  const media = Object.entries(operation.requestBody?.content ?? {});
  const body = media[0]?.[1].schema;
  if (body) {
    parts.push(`Body (${media.map(([type]) => code(type)).join(", ")}):`);
    parts.push(bodyOf(body, document));
  }
  const own = [...failures].filter((name) => !shared.has(name));
  if (own.length > 0) {
    own.sort((a, b) => FAILURES[a].status - FAILURES[b].status);
    parts.push(
      "Errors of its own:",
      table(["Status", "Code", "What it says"], own.map(failureCells)),
    );
  }
  return parts.join("\n\n");
}

function bodyOf(schema: Schema, document: Document): string {
  const real = follow(schema, document.components.schemas);
  if (real.properties) return fieldTable(real, document);
  return (
    "One command, or a list of at most 1000. Each has the fields of its own route below, and its " +
    "name in `do`. In a stream, each line is one command or one list."
  );
}
